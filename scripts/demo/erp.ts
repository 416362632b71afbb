import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import pg from 'pg'
import { DATA, TABLES } from './erp-data.ts'

/** The ERP of a small trading company: a real PostgreSQL engine (in WebAssembly) behind its wire protocol. */
export interface DemoErp {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** What somebody does in the ERP; a transaction of its own. */
  write(sql: string, values: readonly (string | number)[]): Promise<void>
  close(): Promise<void>
}

export async function startErp(): Promise<DemoErp> {
  const engine = await PGlite.create()
  await engine.exec(TABLES)
  await engine.exec(DATA)
  const server = new PGLiteSocketServer({ db: engine, host: '127.0.0.1', port: 0, maxConnections: 4 })
  await server.start()
  const port = Number(server.getServerConn().split(':').at(-1))
  return {
    host: '127.0.0.1',
    port,
    database: 'postgres',
    user: 'postgres',
    async write(sql, values) {
      // Like every other user of the ERP, over the wire: the engine lets one transaction end before the next begins.
      const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
      await client.connect()
      try {
        // One engine, one session: the gateway has set it to read only.
        await client.query('BEGIN READ WRITE')
        await client.query(sql, [...values])
        await client.query('COMMIT')
      } finally {
        await client.end()
      }
    },
    async close() {
      await server.stop()
      await engine.close()
    },
  }
}
