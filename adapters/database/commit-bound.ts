import type { Context } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import type { Moment } from './clock.ts'
import { between } from './clock.ts'
import { inSnapshot } from './plan.ts'
import type { Feed } from './settings.ts'
import type { Transport } from './transport.ts'

/** Where the bound of a feed stood when it was last seen to move, by the database's clock. */
export type Held = Map<string, Readonly<{ bound: string; since: Moment }>>

/**
 * The value below which every change is committed or undone. Asked in a transaction of its own, before the rows are read.
 * Throws ADAPTER_CONFIG_INVALID where the engine knows none, or the column is not the one that the database raises.
 */
export async function readCommitBound(
  transport: Transport,
  of: Readonly<{ name: string; feed: Feed; column: string }>,
  signal: AbortSignal,
): Promise<string> {
  const { dialect } = transport
  const { commitOrdered } = dialect
  const { name, feed, column } = of
  if (commitOrdered === undefined)
    throw new AdapterError(
      'ADAPTER_CONFIG_INVALID',
      `Feed ${name} is to be read in the order of commits, which ${dialect.engine} does not tell; use \`strategy: watermark\`.`,
    )
  return inSnapshot(transport, signal, async (snapshot) => {
    if (feed.table !== undefined) {
      const { text, parameters } = commitOrdered.column(feed.table)
      const { rows } = await snapshot.query(text, parameters, signal)
      assertRaised(name, feed.table, column, rows[0]?.[0] ?? null)
    }
    const text = dialect.selected(commitOrdered.bound, BOUND_TYPE)
    const { rows } = await snapshot.query(`SELECT ${text}`, [], signal)
    const bound = rows[0]?.[0]
    if (typeof bound === 'string') return bound
    throw new AdapterError('ADAPTER_CONFIG_INVALID', `${dialect.engine} told no bound for feed ${name}.`)
  })
}

/** How a rowversion reaches a client. */
const BOUND_TYPE = 'binary(8)'

function assertRaised(feed: string, table: string, column: string, raised: string | null): void {
  if (raised?.toLowerCase() === column.toLowerCase()) return
  const there = raised === null ? 'has none' : `has ${raised}`
  throw new AdapterError(
    'ADAPTER_CONFIG_INVALID',
    `Feed ${feed} goes by ${column}, but the column of ${table} that the database raises is another: it ${there}. Name that one, or use \`strategy: watermark\`.`,
  )
}

/** A bound that stands still for so long is held back by a transaction that somebody forgot. */
const OLD_MS = 600_000

/** Warns where the bound has not moved for long although changes wait above it. */
export function warnOfHeld(
  held: Held,
  of: Readonly<{ name: string; bound: string; now: Moment; context: Context; waiting: boolean }>,
): void {
  const { name, bound, now, context, waiting } = of
  const before = held.get(name)
  if (before?.bound !== bound || !waiting) {
    held.set(name, { bound, since: now })
    return
  }
  if (between(before.since, now) < OLD_MS) return
  context.logger.warn(
    'An open transaction of the database holds back what is read in the order of commits.',
    {
      feed: name,
      since: before.since,
    },
  )
}
