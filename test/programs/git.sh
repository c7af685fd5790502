# git: a repository of some thousand files is made, cloned, changed and packed.
set -e
export HOME=$PWD
git config --global user.email t@t; git config --global user.name t; git config --global init.defaultBranch main
git init -q origin
cd origin
i=0; while [ $i -lt 40 ]; do
  mkdir d$i
  j=0; while [ $j -lt 50 ]; do echo "$i $j" >d$i/$j; j=$((j + 1)); done
  i=$((i + 1))
done
git add .
git commit -qm first
cd ..
git clone -q origin copy
cd copy
[ -z "$(git status --porcelain)" ]
echo changed >d7/7; chmod +x d7/8; rm d7/9; mv d8 moved
[ "$(git status --porcelain -uno | wc -l)" = 53 ]
git add -A
git commit -qm second
git push -q origin HEAD:other
git gc -q
git fsck --strict
cd ../origin
[ "$(git log --oneline other | wc -l)" = 2 ]
git worktree add -q ../tree other
[ "$(cat ../tree/d7/7)" = changed ]
