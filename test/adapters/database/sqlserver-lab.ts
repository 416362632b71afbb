import type { Context } from '../../../adapters/contract.ts'
import { adapter } from '../../../adapters/database/adapter.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'
import { openDatabase, preparePostgres } from '../../lab/tds/database.ts'
import type { Engine } from '../../lab/tds/engine.ts'
import { startMemoryEngine } from '../../lab/tds/engine.ts'
import type { ServerOptions, TdsServer } from '../../lab/tds/server.ts'
import { startTdsServer } from '../../lab/tds/server.ts'
import { sqlServerWords } from './sqlserver-words.ts'
import type { TableSource } from './tables.ts'
import { written } from './words.ts'

export const PASSWORD = 'right-密码-1'

/** The stand-in for SQL Server, with a database in it. */
export type Lab = Readonly<{
  server: TdsServer
  engine: Engine
  /** Runs statements as the ERP does, committed when it returns. */
  erp(sql: string): Promise<void>
  /** Changes what the played server is: `snapshots = 0`. */
  setServer(assignment: string): Promise<void>
  connect(settings?: object, context?: Partial<Context>): Promise<Transport>
  /** A schema of its own. */
  source(): Promise<TableSource>
  stop(): Promise<void>
}>

export async function startLab(
  of: Readonly<{ engine?: Engine; tls?: ServerOptions['tls'] }> = {},
): Promise<Lab> {
  const engine = of.engine ?? (await startMemoryEngine())
  await preparePostgres(engine)
  const server = await startTdsServer({
    engine,
    user: 'reader',
    password: PASSWORD,
    ...(of.tls === undefined ? {} : { tls: of.tls }),
  })
  const session = await openDatabase(engine)
  const direct = await engine.session()
  const erp = async (sql: string) => {
    await session.begin('committed')
    try {
      await session.run(sql)
      await session.commit()
    } finally {
      await session.rollback()
    }
  }
  const connect = (settings?: object, context?: Partial<Context>) => connectTo(server.port, settings, context)
  let schemas = 0
  return {
    server,
    engine,
    erp,
    async source() {
      schemas += 1
      const schema = `t${schemas}`
      const open: Transport[] = []
      // With a rowversion, as any database has in which the order of commits matters: so there is a horizon.
      await erp(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.counted (no int, rv rowversion)`)
      return {
        schema,
        words: sqlServerWords,
        erp: (...statements) => erp(written(sqlServerWords, statements.join('; '))),
        async transport() {
          const transport = await connect()
          open.push(transport)
          return transport
        },
        async drop() {
          for (const transport of open) await transport.close()
          await direct.run(`DROP SCHEMA ${schema} CASCADE`)
        },
      }
    },
    setServer: async (assignment) => void (await direct.run(`UPDATE tds.server SET ${assignment}`)),
    connect,
    async stop() {
      await server.stop()
      await session.close()
      await direct.close()
      await engine.stop()
    },
  }
}

/** Connects as the gateway does. */
export function connectTo(
  port: number,
  settings: object = {},
  context: Partial<Context> = {},
): Promise<Transport> {
  const surroundings = createSurroundings({ batchRecordsMax: 100, marks: new Map() })
  const connection = adapter.connection.parse({
    engine: 'sqlserver',
    host: '127.0.0.1',
    port: String(port),
    database: 'erp',
    user: 'reader',
    password: 'env:PASSWORD',
    ...('encrypt' in settings || 'tls' in settings
      ? {}
      : { encrypt: false, unencryptedReason: 'both are this machine' }),
    ...settings,
  })
  const real = {
    ...surroundings.context,
    runtime: createRuntime(),
    secret: () => PASSWORD,
    resolve: async (host: string) => host,
    ...context,
  }
  return adapter.connect(connection, real, new AbortController().signal)
}
