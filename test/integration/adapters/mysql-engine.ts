import { createConnection } from 'mysql2/promise'
import type { Transport } from '../../../adapters/database/transport.ts'
import { MYSQL_EDGES } from '../../adapters/database/mysql-edges.ts'
import { mysqlWords } from '../../adapters/database/mysql-words.ts'
import type { TableSource } from '../../adapters/database/tables.ts'
import { written } from '../../adapters/database/words.ts'
import type { Mariadb } from '../../kit/services.ts'
import { connectTo } from './connection.ts'
import type { Engine, EngineDatabase, Erp } from './engine.ts'

export function mysqlEngine(mariadb: Mariadb): Engine {
  return {
    words: mysqlWords,
    edges: MYSQL_EDGES,
    database: () => databaseOf(mariadb),
    source: () => sourceOf(mariadb),
    identity: /^(mariadb:.+:\d+\/.*|mysql:[-0-9a-f]+)\/erpgw_/,
    reader: (name, password, table) => [
      `CREATE USER ${name} IDENTIFIED BY '${password}'`,
      ...(table === null ? [] : [`GRANT SELECT ON [${table}] TO ${name}`]),
    ],
    dropReader: (name) => [`DROP USER ${name}`],
    // Of a database that the account may not see, the server does not tell whether it is there.
    missingDatabase: 'ADAPTER_AUTH_FAILED',
    spill: ['CREATE FUNCTION spill() RETURNS int BEGIN DELETE FROM doc; RETURN 1; END'],
    writes: [
      'SELECT spill() AS no',
      'WITH gone AS (DELETE FROM doc RETURNING no) SELECT no FROM gone',
      'SELECT no FROM doc FOR UPDATE',
      "SELECT no FROM doc INTO OUTFILE 'doc.txt'",
    ],
    sleeps: 'SELECT 1 AS no, CAST(SLEEP(30) AS CHAR) AS slept',
    analyze: (table) => `ANALYZE TABLE [${table}]`,
    async plan(snapshot, text, parameters) {
      const { rows } = await snapshot.query(`EXPLAIN ${text}`, parameters, new AbortController().signal)
      return rows.map((row) => row.join('|')).join('\n')
    },
    // `index` reads it from its beginning: that is right where a page begins there.
    byIndex: /\|(range|ref|index)\|/,
    sorts: /filesort/,
    authority: 'SELECT @@ssl_ca',
    cipher: "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'",
  }
}

async function databaseOf(mariadb: Mariadb): Promise<EngineDatabase> {
  const { url, name, drop } = await mariadb.database()
  return {
    name,
    url,
    connect: (settings, context) => connectTo(url, settings, context),
    erp: () => connected(url),
    async breakOff() {
      const erp = await connected(url)
      const ours = await erp.rows(
        `SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE db = '${name}' AND id <> CONNECTION_ID()`,
      )
      await erp.run(...ours.map(([id]) => `KILL ${id}`))
      await erp.end()
    },
    [Symbol.asyncDispose]: drop,
  }
}

async function connected(url: string): Promise<Erp> {
  const client = await createConnection({ uri: url, rowsAsArray: true, dateStrings: true })
  // A connection that a test has killed says so here as well.
  client.on('error', () => undefined)
  const run = async (...statements: readonly string[]) => {
    for (const statement of statements) await client.query(written(mysqlWords, statement))
  }
  // Zero dates, and long series of numbers.
  await run("SET sql_mode = '', time_zone = '+00:00', max_recursive_iterations = 1000000")
  return {
    run,
    begin: () => run('BEGIN'),
    commit: () => run('COMMIT'),
    async rows(query) {
      const [rows] = await client.query(written(mysqlWords, query))
      const cells = Array.isArray(rows) ? (rows as unknown as unknown[][]) : []
      return cells.map((row) => row.map((value) => (value === null ? null : String(value))))
    },
    end: () => client.end(),
  }
}

async function sourceOf(mariadb: Mariadb): Promise<TableSource> {
  const { url, name, drop } = await mariadb.database()
  const erp = await connected(url)
  const open: Transport[] = []
  return {
    schema: name,
    words: mysqlWords,
    erp: erp.run,
    async transport() {
      const transport = await connectTo(url)
      open.push(transport)
      return transport
    },
    async drop() {
      for (const transport of open) await transport.close().catch(() => undefined)
      await erp.end()
      await drop()
    },
  }
}
