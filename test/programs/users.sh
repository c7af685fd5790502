# The tools of /etc/passwd, which lock it and put a new file in its place.
set -e
groupadd team
useradd -m -G team -s /bin/sh somebody
echo somebody:secret | chpasswd
passwd -S somebody | grep -q '^somebody P '
usermod -aG users somebody
su somebody -c 'id -nG' | grep -q 'team'
su somebody -c 'touch ~/mine && [ "$(stat -c %U ~/mine)" = somebody ]'
flock locked true
flock -s locked -c 'flock -s -n locked true && ! flock -n locked true'
userdel -r somebody
groupdel team
