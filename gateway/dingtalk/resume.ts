import { channelOf, type EndedCall, wayOf } from './calls.ts'
import type { Sent } from './client.ts'
import type { OpenNotice, Parcel, Parcels } from './parcels.ts'
import type { Recovered } from './recovery.ts'
import { CALL_OVER_MS, type Results, type Work } from './work.ts'

/**
 * Puts what an earlier owner left open into parcels, in the order of its events. A call that it began and of which
 * nothing is known is waited out; then a webhook gets the same `msgUuid` once more and everything else is unknown.
 * Returns calls of this process that ended while their transaction was lost.
 */
export function resume(
  work: Work,
  recovered: Recovered,
  parcels: Parcels,
  results: Results,
  isFirst: boolean,
): readonly EndedCall[] {
  const { runtime } = work.ports
  const wall = runtime.wall()
  const now = runtime.mono()
  if (isFirst) {
    for (const { notice, at } of recovered.calls) {
      const target = work.directory.target(notice.destination)
      const ageMs = Math.max(0, wall - at)
      if (target.kind === 'webhook' && ageMs < REMEMBERED_MS) work.governor.remember(channelOf(target), ageMs)
    }
  }
  const groups = Map.groupBy(recovered.open, (open) => groupOf(open, resultOf(open, results)))
  return [...groups.values()].flatMap((group): readonly EndedCall[] => {
    const [first] = group
    if (first === undefined) return []
    const sent = resultOf(first, results)
    const waitMs = sent === null ? Math.max(0, Math.min((first.notice.until ?? wall) - wall, WAIT_MS_MAX)) : 0
    const notBefore = now + BigInt(Math.ceil(waitMs)) * 1_000_000n
    if (first.notice.state === 'planned' || sent === 'not-called') {
      parcels.add(group, 'waits', notBefore)
      return []
    }
    if (sent !== null) {
      return parcels.add(group, 'under-way', now).flatMap((parcel) => endedCall(work, parcel, sent))
    }
    if (first.notice.channel !== 'webhook') {
      parcels.add(group, 'waits-out', notBefore)
      return []
    }
    for (const open of group) open.notice = { ...open.notice, isUnsure: true }
    parcels.add(group, 'waits', notBefore)
    return []
  })
}

/** The longest pause of a webhook, and a clock that stepped far must not hold a notice up for longer. */
const WAIT_MS_MAX = 750_000
/** How long a call counts against the limits of a minute, from when it was begun. */
export const REMEMBERED_MS = 60_000 + CALL_OVER_MS

function resultOf({ notice }: OpenNotice, results: Results): Sent | 'not-called' | null {
  if (notice.state !== 'sending' || notice.sender !== results.sender) return null
  return results.byNotice.get(notice.id)?.get(notice.attempt) ?? null
}

/** Notices of one parcel that stand alike: called together, or not called yet. */
function groupOf({ notice }: OpenNotice, sent: Sent | 'not-called' | null): string {
  return [
    notice.parcel,
    notice.state,
    notice.attempt,
    notice.until ?? '',
    sent === null ? '' : sent === 'not-called' ? sent : 'ended',
  ].join(' ')
}

function endedCall(work: Work, parcel: Parcel, sent: Sent): readonly EndedCall[] {
  const way = wayOf(parcel, work.directory, work.client)
  return way === null ? [] : [{ parcel, way, sent }]
}
