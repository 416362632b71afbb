import type { Moment } from './clock.ts'
import { between, setBackMs } from './clock.ts'
import type { Overlap, Reach } from './settings.ts'
import { widest } from './settings.ts'
import type { CursorType, Dialect, Snapshot } from './transport.ts'
import type { OpenGroup, Sight, State } from './watermark-state.ts'

/**
 * What may have been committed late. Two ways of knowing work side by side:
 *
 * - **Open transactions.** What is not visible yet was written by a transaction that is open. Where the database tells
 *   which are, a round that finds one ended looks again from where the last round before it had seen: exact, and it costs
 *   one look for each transaction that outlives a poll. It rests on values that are taken inside the transaction.
 * - **Overlap.** Values that an application took earlier, by its own clock, are found by looking back a while: a little
 *   at every poll, further now and then. Each look reaches from its width below what was seen when its last one began,
 *   so that nothing falls between two of them.
 */

/** From where a round must look: below a value that was seen at some moment. */
export type Look = Readonly<{ sight: Sight | null; since: Moment | null; reach: Reach }>

export type Outlook = Readonly<{ looks: readonly Look[]; tier: number; open: readonly OpenGroup[] | null }>

/** More transactions than this are not remembered one by one. */
const OPEN_MAX = 500

/** Transactions that are open now, each with the moment it began; null where nobody can tell. Ask after the heights. */
export async function readOpen(
  dialect: Dialect,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Moment> | null> {
  if (dialect.openTransactions === null) return null
  const { rows } = await snapshot.query(dialect.openTransactions, [], signal)
  if (!rows.some(([id]) => id === '')) return null
  const open = new Map(rows.flatMap(([id, since]) => (id && since ? [[id, since] as const] : [])))
  return open.size > OPEN_MAX ? null : open
}

/** Where the next round must look, given what is open as it is opened. */
export function outlookOf(
  state: State,
  overlap: Overlap,
  now: Moment,
  ids: ReadonlyMap<string, Moment> | null,
): Outlook {
  const tier = dueTier(state, overlap, now)
  const last = tier === 0 ? sightOf(state) : (state.tiers[tier - 1] ?? sightOf(state))
  const looks: Look[] = []
  if (last !== null) looks.push({ sight: last, since: null, reach: overlap[tier]?.reach ?? overlap[0].reach })
  const ended = endedGroup(state.open, ids)
  if (ended !== null) looks.push({ sight: ended.before, since: ended.since, reach: overlap[0].reach })
  return { looks, tier, open: openAfter(state, ids, ended) }
}

/** How far below a value a look reaches, with what clocks were set back meanwhile. */
export function reachOf(look: Look, now: Moment, type: CursorType, zone: string): Reach {
  const { reach, sight, since } = look
  // Cursors of old knew no clock.
  const from = sight?.clock ?? since
  if (reach.kind === 'numbers' || !from) return reach
  return { kind: 'time', ms: reach.ms + setBackMs(from, now, type, zone) }
}

/** The tiers after a round that looked back by this one: nearer ones have been looked over as well. */
export function tiersAfter(state: State, overlap: Overlap, tier: number, sight: Sight): readonly Sight[] {
  return overlap.slice(1).map((_, index) => {
    const before = state.tiers[index]
    return before === undefined || index < tier ? sight : before
  })
}

function sightOf({ clock, high }: State): Sight | null {
  return Object.keys(high).length === 0 ? null : { clock: clock ?? '', high }
}

/** The widest tier whose time has come. After a clock was set back, nobody knows when that was: the widest of all. */
function dueTier(state: State, overlap: Overlap, now: Moment): number {
  for (let tier = overlap.length - 1; tier > 0; tier -= 1) {
    const last = state.tiers[tier - 1]
    if (last === undefined) continue
    const passed = between(last.clock, now)
    if (passed < 0 || passed >= (overlap[tier]?.everyMs ?? 0)) return tier
  }
  return 0
}

/** Of the groups in which a transaction has ended, the one before which least had been seen. */
function endedGroup(open: State['open'], ids: ReadonlyMap<string, Moment> | null): OpenGroup | null {
  return open?.find((group) => group.ids.some((id) => ids?.has(id) !== true)) ?? null
}

/** Groups stand in the order in which they were first seen. */
function openAfter(
  state: State,
  ids: ReadonlyMap<string, Moment> | null,
  ended: OpenGroup | null,
): readonly OpenGroup[] | null {
  if (ids === null) return null
  const old = (state.open ?? []).flatMap((group) => {
    const left = group.ids.filter((id) => ids.has(id))
    return left.length === 0 ? [] : [{ ...group, ids: left }]
  })
  const known = new Set(old.flatMap((group) => group.ids))
  const fresh = [...ids].filter(([id]) => !known.has(id))
  if (fresh.length === 0) return old
  // One that was prepared may have begun long before, under another id.
  const isPrepared = fresh.some(([id]) => id.startsWith('prepared/'))
  const since = fresh.map(([, moment]) => moment).toSorted()[0] ?? ''
  const mine = { ids: fresh.map(([id]) => id), since, before: sightOf(state) }
  return isPrepared && ended !== null ? [{ ...ended, ids: mine.ids }, ...old] : [...old, mine]
}

/** The look that asks whether the highest value lies below everything that any round would read. */
export function widestLook(state: State, overlap: Overlap): Look | null {
  const sight = sightOf(state)
  return sight === null ? null : { sight, since: null, reach: widest(overlap) }
}
