# sqlite: four writers on one database in WAL mode, readers beside them, and a check of the whole.
import multiprocessing, os, sqlite3, sys

path = os.path.join(os.getcwd(), 'data.db')
ROWS = 250


def connect():
    db = sqlite3.connect(path, timeout=60)
    db.execute('pragma synchronous = normal')
    return db


def write(number):
    db = connect()
    for row in range(ROWS):
        with db:
            db.execute('insert into t values (?, ?, ?)', (number, row, 'x' * 100))
        if row % 50 == 0:
            db.execute('select count(*) from t').fetchone()


db = connect()
assert db.execute('pragma journal_mode = wal').fetchone() == ('wal',)
db.execute('create table t (writer, row, text, primary key (writer, row))')
writers = [multiprocessing.Process(target=write, args=(number,)) for number in range(4)]
for writer in writers:
    writer.start()
for writer in writers:
    writer.join()
    assert writer.exitcode == 0, writer.exitcode
assert db.execute('pragma integrity_check').fetchone() == ('ok',)
assert db.execute('select count(*) from t').fetchone() == (4 * ROWS,)
assert db.execute('pragma wal_checkpoint(truncate)').fetchone()[0] == 0
db.close()
reader = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
assert reader.execute('select count(*) from t').fetchone() == (4 * ROWS,)
