import { DAY_SECONDS, dayNumber } from './calendar.ts'

/**
 * What a wall-clock reading means in a time zone. Made once per zone and kept: it remembers what it
 * looked up.
 */
export type Zone = Readonly<{
  name: string
  /**
   * The instant of a local reading, both as seconds since 1970 (the reading as if it were UTC), and
   * the zone's offset at that instant. When clocks go back, a reading that comes twice means the
   * first time (the offset in force before). When clocks go forward, a reading that never comes is
   * moved forward by the gap, as a clock that was not put forward would have shown it: 02:30 in a
   * gap from 02:00 to 03:00 is 03:30.
   */
  resolve(localSeconds: number): Readonly<{ epochSeconds: number; offsetSeconds: number }>
  /** The zone's offset at an instant. */
  offsetAt(epochSeconds: number): number
}>

/** The zone of an IANA name, or null when this runtime does not know it. */
export function createZone(name: string): Zone | null {
  const offsetAt = offsetReader(name)
  if (offsetAt === null) return null
  const quietDays = new Map<number, number | null>()
  return {
    name,
    offsetAt,
    resolve(localSeconds) {
      const day = Math.floor(localSeconds / DAY_SECONDS)
      let quiet = quietDays.get(day)
      if (quiet === undefined) {
        quiet = quietOffset(offsetAt, day)
        if (quietDays.size >= QUIET_DAYS_MAX) quietDays.clear()
        quietDays.set(day, quiet)
      }
      if (quiet !== null) return { epochSeconds: localSeconds - quiet, offsetSeconds: quiet }
      return resolveNearTransition(offsetAt, localSeconds)
    },
  }
}

/** Bounds the memory of a zone, whatever dates a source holds. */
const QUIET_DAYS_MAX = 40_000

type OffsetAt = (epochSeconds: number) => number

/** The one offset of a day and its neighbours, or null when clocks change near it. */
function quietOffset(offsetAt: OffsetAt, day: number): number | null {
  const offset = offsetAt((day - 1) * DAY_SECONDS)
  for (let at = day - 0.5; at <= day + 2; at += 0.5) {
    if (offsetAt(at * DAY_SECONDS) !== offset) return null
  }
  return offset
}

function resolveNearTransition(offsetAt: OffsetAt, localSeconds: number) {
  // No zone has ever been further than 16 hours from UTC, so these two enclose every transition
  // that may matter.
  const before = offsetAt(localSeconds - DAY_SECONDS)
  const after = offsetAt(localSeconds + DAY_SECONDS)
  const first = localSeconds - before
  if (offsetAt(first) === before) return { epochSeconds: first, offsetSeconds: before }
  const second = localSeconds - after
  if (offsetAt(second) === after) return { epochSeconds: second, offsetSeconds: after }
  return { epochSeconds: first, offsetSeconds: offsetAt(first) }
}

function offsetReader(name: string): OffsetAt | null {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US-u-ca-iso8601', {
      timeZone: name,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
  } catch {
    return null
  }
  return (epochSeconds) => {
    const parts = new Map(format.formatToParts(epochSeconds * 1000).map((part) => [part.type, part.value]))
    const number = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type))
    const years = number('year')
    const year = parts.get('era')?.startsWith('B') === true ? 1 - years : years
    const local =
      dayNumber(year, number('month'), number('day')) * DAY_SECONDS +
      number('hour') * 3600 +
      number('minute') * 60 +
      number('second')
    return local - epochSeconds
  }
}
