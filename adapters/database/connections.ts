import { z } from 'zod'
import type { Context } from '../contract.ts'
import { mysql } from './mysql/settings.ts'
import { postgres } from './postgres/settings.ts'
import { sqlserver } from './sqlserver/settings.ts'
import type { Transport } from './transport.ts'

/** How each engine is reached, one line each. */
export const connection = z.discriminatedUnion('engine', [mysql, postgres, sqlserver])

export type Connection = z.output<typeof connection>

/** Connects to the server of any engine. A client library that fails to load stops its own sources and no others. */
export async function connect(
  settings: Connection,
  context: Context,
  signal: AbortSignal,
): Promise<Transport> {
  switch (settings.engine) {
    case 'mysql':
      return (await import('./mysql/driver.ts')).connect(settings, context, signal)
    case 'postgres':
      return (await import('./postgres/driver.ts')).connect(settings, context, signal)
    case 'sqlserver':
      return (await import('./sqlserver/driver.ts')).connect(settings, context, signal)
  }
}
