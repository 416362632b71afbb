import type { Context } from '../../../adapters/contract.ts'
import { adapter } from '../../../adapters/database/adapter.ts'
import type { Transport } from '../../../adapters/database/transport.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'

const NEVER = new AbortController().signal

/** Connects the adapter to the database of a connection string; its protocol names the engine. */
export async function connectTo(
  url: string,
  settings: Readonly<Record<string, unknown>> = {},
  context: Partial<Context> = {},
): Promise<Transport> {
  const { protocol, hostname, port, username, password, pathname } = new URL(url)
  const surroundings = createSurroundings({ batchRecordsMax: 100, marks: new Map() })
  const connection = adapter.connection.parse({
    engine: protocol.startsWith('postgres') ? 'postgres' : protocol.slice(0, -1),
    host: hostname,
    ...(port === '' ? {} : { port }),
    user: decodeURIComponent(username),
    database: pathname.slice(1),
    ...(password === '' ? {} : { password: 'env:PASSWORD' }),
    ...settings,
  })
  const real = {
    ...surroundings.context,
    runtime: createRuntime(),
    secret: () => decodeURIComponent(password),
    resolve: async (host: string) => (host === 'localhost' ? '127.0.0.1' : host),
    ...context,
  }
  return adapter.connect(connection, real, NEVER)
}
