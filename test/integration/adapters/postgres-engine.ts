import pg from 'pg'
import type { Transport } from '../../../adapters/database/transport.ts'
import { POSTGRES_EDGES } from '../../adapters/database/postgres-edges.ts'
import { postgresWords } from '../../adapters/database/postgres-words.ts'
import type { TableSource } from '../../adapters/database/tables.ts'
import { written } from '../../adapters/database/words.ts'
import type { Postgres } from '../../kit/services.ts'
import { connectTo } from './connection.ts'
import type { Engine, EngineDatabase, Erp } from './engine.ts'

export function postgresEngine(postgres: Postgres): Engine {
  let home: Promise<Readonly<{ url: string; erp: Erp }>> | null = null
  let schemas = 0
  return {
    words: postgresWords,
    edges: POSTGRES_EDGES,
    database: () => databaseOf(postgres),
    async source() {
      home ??= postgres.database().then(async ({ url }) => ({ url, erp: await connected(url) }))
      schemas += 1
      return schemaOf(await home, `t${schemas}`)
    },
    identity: /^postgres:\d+\/\d+:erpgw_.*\/timeline-1$/,
    reader: (name, password, table) => [
      `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`,
      ...(table === null ? [] : [`GRANT SELECT ON [${table}] TO ${name}`]),
    ],
    dropReader: (name) => [`DROP OWNED BY ${name}`, `DROP ROLE ${name}`],
    missingDatabase: 'ADAPTER_CONFIG_INVALID',
    spill: ["CREATE FUNCTION spill() RETURNS int LANGUAGE sql AS 'DELETE FROM doc RETURNING no'"],
    writes: [
      'SELECT spill() AS no',
      'WITH gone AS (DELETE FROM doc RETURNING no) SELECT no FROM gone',
      'SELECT no FROM doc FOR UPDATE',
    ],
    sleeps: 'SELECT 1 AS no, pg_sleep(30)::text AS slept',
    analyze: (table) => `ANALYZE [${table}]`,
    async plan(snapshot, text, parameters) {
      const { rows } = await snapshot.query(`EXPLAIN ${text}`, parameters, new AbortController().signal)
      return rows.flat().join('\n')
    },
    byIndex: /Index (Only )?Scan/,
    sorts: /Sort/,
    authority: "SELECT current_setting('ssl_ca_file')",
    cipher: 'SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
  }
}

async function databaseOf(postgres: Postgres): Promise<EngineDatabase> {
  const { url, name, drop } = await postgres.database()
  return {
    name,
    url,
    connect: (settings, context) => connectTo(url, settings, context),
    erp: () => connected(url),
    async breakOff() {
      const erp = await connected(url)
      await erp.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'erp-gateway' AND datname = current_database()",
      )
      await erp.end()
    },
    [Symbol.asyncDispose]: drop,
  }
}

async function connected(url: string): Promise<Erp> {
  const client = new pg.Client({
    connectionString: url,
    types: { getTypeParser: () => (text: string) => text },
  })
  await client.connect()
  const run = async (...statements: readonly string[]) =>
    void (await client.query(written(postgresWords, statements.join(';\n'))))
  return {
    run,
    begin: () => run('BEGIN'),
    commit: () => run('COMMIT'),
    async rows(query) {
      const text = written(postgresWords, query)
      return (await client.query<(string | null)[]>({ text, rowMode: 'array' })).rows
    },
    end: () => client.end(),
  }
}

/** A database for each of a file's worlds would be slower. */
async function schemaOf(home: Readonly<{ url: string; erp: Erp }>, schema: string): Promise<TableSource> {
  const { url, erp } = home
  await erp.run(`CREATE SCHEMA ${schema}`)
  const open: Transport[] = []
  return {
    schema,
    words: postgresWords,
    erp: erp.run,
    async transport() {
      const transport = await connectTo(url)
      open.push(transport)
      return transport
    },
    async drop() {
      for (const transport of open) await transport.close().catch(() => undefined)
      await erp.run(`DROP SCHEMA ${schema} CASCADE`)
    },
  }
}
