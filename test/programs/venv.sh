# A virtual environment of Python, with what its own wheels bring.
set -e
python3 -m venv env
env/bin/python -c 'import sys; assert sys.prefix != sys.base_prefix'
env/bin/pip --version
mkdir -p package/tiny; echo 'value = 7' >package/tiny/__init__.py
cp -r package/tiny env/lib/python3*/site-packages/
env/bin/python -c 'import tiny; assert tiny.value == 7'
env/bin/python -m compileall -q env/lib/python3*/site-packages/tiny
