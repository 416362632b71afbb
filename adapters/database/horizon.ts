import { z } from 'zod'
import { AdapterError } from '../errors.ts'
import type { Dialect, Snapshot } from './transport.ts'

/**
 * How far the server's own transactions had come when a feed was last read, as a whole number; it is kept in the
 * cursor. Null: the engine has no such number, or the cursor was minted before it was kept.
 */
export const horizon = z
  .string()
  .regex(/^[0-9]{1,20}$/)
  .nullable()
  .default(null)

export type Horizon = z.output<typeof horizon>

/**
 * The horizon of what this snapshot sees. Throws ADAPTER_CURSOR_STALE where it lies before the stored one: the server
 * has then forgotten transactions, and what the feed read of them may never come again.
 */
export async function readHorizon(
  dialect: Dialect,
  snapshot: Snapshot,
  of: Readonly<{ feed: string; stored: Horizon }>,
  signal: AbortSignal,
): Promise<Horizon> {
  if (dialect.horizon === null) return null
  const { rows } = await snapshot.query(dialect.horizon, [], signal)
  const now = horizon.parse(rows[0]?.[0])
  if (now === null || of.stored === null || BigInt(now) >= BigInt(of.stored)) return now
  throw new AdapterError(
    'ADAPTER_CURSOR_STALE',
    `The server stands at transaction ${now}, but feed ${of.feed} was read when it stood at ${of.stored}: it is an older state of itself (a restored backup), or another server. Choose by \`erpgw resync\` where the feed starts again.`,
    { details: { feed: of.feed, horizon: of.stored, horizonNow: now } },
  )
}
