import { DatabaseSync } from 'node:sqlite'
import { type KeyOrder, PAGE_ROWS, readPayments } from './payments.ts'

/**
 * `node raw-limits.ts read URL | sqlite FILE ROWS ORDER`: one thing that a gateway
 * cannot do without, and nothing else, as a process of its own.
 */
/** A key and hashes, as a projection keeps them at the least. */
const ROW_BYTES = 80

const [what, first = '', second = '', third = ''] = process.argv.slice(2)
if (what === 'read') await readPayments(first)
else if (what === 'sqlite') insert(first, Number(second), third as KeyOrder)
else throw new Error(`There is no raw limit ${what}.`)
process.exit(0)

function insert(file: string, rows: number, order: KeyOrder): void {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
  database.exec('CREATE TABLE rows (key TEXT PRIMARY KEY, row BLOB NOT NULL) STRICT, WITHOUT ROWID')
  const statement = database.prepare('INSERT INTO rows (key, row) VALUES (?, ?)')
  const row = Buffer.alloc(ROW_BYTES, 1)
  for (let from = 0; from < rows; from += PAGE_ROWS) {
    database.exec('BEGIN')
    for (let index = from; index < Math.min(from + PAGE_ROWS, rows); index += 1) {
      const key = order === 'ascending' ? index : Number((BigInt(index) * 611_953n) % 15_485_863n)
      statement.run(String(key).padStart(10, '0'), row)
    }
    database.exec('COMMIT')
  }
  database.close()
}
