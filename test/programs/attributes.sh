# ACLs and extended attributes, and tar, which keeps both.
set -e
mkdir in; echo text >in/file
setfacl -m u:nobody:rw,g:games:r in/file
setfacl -d -m u:nobody:rwx in
setfattr -n user.color -v blue in/file
touch in/heir
getfacl -c in/heir | grep -q '^user:nobody:rwx'
chmod 600 in/file
getfacl -c in/file | grep -q '^mask::---'
chmod 660 in/file
tar --acls --xattrs -cf in.tar in
mkdir out; tar --acls --xattrs -C out -xf in.tar
getfacl -R in >1; (cd out; getfacl -R in) >2
cmp 1 2
[ "$(getfattr --only-values -n user.color out/in/file)" = blue ]
su nobody -s /bin/sh -c "echo more >>$PWD/in/file"
