import type { Closures, DailyWindow } from '../config/model.ts'
import { instantText } from '../mapping/calendar.ts'
import type { Zone } from '../mapping/zone.ts'
import { freezeAt, instantAt, localDay, mustZone, weekdayOf } from './calendar.ts'

/** Why a source is left alone, and until when (epoch ms). `text` says both, for people. */
export type Closed = Readonly<{ untilMs: number; why: string; text: string }>

/** Whether a source is closed at an instant. Throws CalendarGap. */
export type ClosedAt = (instant: number) => Closed | null

const MINUTE_MS = 60_000

/**
 * When a source is left alone: during the freeze of its calendar and its own blackouts, which follow each other without
 * a gap where they overlap. Asked between any two batches, so what was found is kept for the minute: no window begins or
 * ends inside of one.
 */
export function closuresOf(closures: Closures | undefined, zoneName: string): ClosedAt {
  if (closures === undefined) return () => null
  const zone = mustZone(zoneName)
  let minute: number | null = null
  let found: Closed | null = null
  return (instant) => {
    const now = Math.floor(instant / MINUTE_MS)
    if (now !== minute) {
      found = closedAt(closures, zone, now * MINUTE_MS)
      minute = now
    }
    return found
  }
}

/** More than any week of windows that leave some minute free can chain. */
const CHAINED_MAX = 1_000

function closedAt(closures: Closures, zone: Zone, instant: number): Closed | null {
  const first = reasonAt(closures, zone, instant)
  if (first === null) return null
  let untilMs = first.untilMs
  for (let chained = 0; chained < CHAINED_MAX; chained += 1) {
    const next = reasonAt(closures, zone, untilMs)
    if (next === null) break
    untilMs = next.untilMs
  }
  const seconds = untilMs / 1_000
  const until = instantText(seconds, '', zone.offsetAt(seconds)) ?? ''
  return { untilMs, why: first.why, text: `waits until ${until.replace(/:00(?=[+Z-])/, '')} (${first.why})` }
}

function reasonAt(
  { calendar, blackout }: Closures,
  zone: Zone,
  instant: number,
): Readonly<{ untilMs: number; why: string }> | null {
  const frozen = calendar === null ? null : freezeAt(calendar, instant)
  if (frozen !== null) return { untilMs: frozen.until, why: 'month-end freeze' }
  const ends = blackout.flatMap((window) => blackoutEnd(window, zone, instant) ?? [])
  return ends.length === 0 ? null : { untilMs: Math.max(...ends), why: 'blackout' }
}

/** The end of a window that an instant lies in; one over midnight may have begun the day before. */
function blackoutEnd({ days, from, to }: DailyWindow, zone: Zone, instant: number): number | null {
  const today = localDay(zone, instant)
  for (const day of [today, today - 1]) {
    const until = instantAt(zone, to > from ? day : day + 1, to)
    const began = instantAt(zone, day, from)
    if (days.includes(weekdayOf(day)) && instant >= began && instant < until) return until
  }
  return null
}
