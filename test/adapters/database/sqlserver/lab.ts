import type { Context } from '../../../../adapters/contract.ts'
import { adapter } from '../../../../adapters/database/adapter.ts'
import type { Transport } from '../../../../adapters/database/transport.ts'
import { createRuntime } from '../../../../gateway/node/runtime.ts'
import { createSurroundings } from '../../../kit/adapter-surroundings.ts'
import { openDatabase, preparePostgres } from '../../../lab/tds/database.ts'
import type { Engine } from '../../../lab/tds/engine.ts'
import { startMemoryEngine } from '../../../lab/tds/engine.ts'
import type { ServerOptions, TdsServer } from '../../../lab/tds/server.ts'
import { startTdsServer } from '../../../lab/tds/server.ts'

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
  return {
    server,
    engine,
    async erp(sql) {
      await session.begin('committed')
      try {
        await session.run(sql)
        await session.commit()
      } finally {
        await session.rollback()
      }
    },
    setServer: async (assignment) => void (await direct.run(`UPDATE tds.server SET ${assignment}`)),
    connect: (settings, context) => connectTo(server.port, settings, context),
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
