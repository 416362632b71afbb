import { z } from 'zod'
import type { Context } from '../contract.ts'
import { postgres } from './postgres/settings.ts'
import type { Transport } from './transport.ts'

/** How each engine is reached, one line each. */
export const connection = z.discriminatedUnion('engine', [postgres])

export type Connection = z.output<typeof connection>

type Of<Engine extends Connection['engine']> = Extract<Connection, { engine: Engine }>

type Drivers = {
  readonly [Engine in Connection['engine']]: () => Promise<{
    connect(settings: Of<Engine>, context: Context, signal: AbortSignal): Promise<Transport>
  }>
}

/** Loaded when first used: a client library that fails to load stops its own sources and no others. */
const DRIVERS: Drivers = {
  postgres: () => import('./postgres/driver.ts'), //
}

/** Connects to the server of any engine. */
export async function connect(
  settings: Connection,
  context: Context,
  signal: AbortSignal,
): Promise<Transport> {
  const driver = await DRIVERS[settings.engine]()
  return driver.connect(settings, context, signal)
}
