import type { Calendar, FreezeEdge } from '../config/model.ts'
import { civilDate, DAY_SECONDS, dateText, dayNumber, parseDate } from '../mapping/calendar.ts'
import { createZone, type Zone } from '../mapping/zone.ts'

/** Workdays and month-end by a calendar of the config: pure, no clock. Instants are epoch ms, dates `YYYY-MM-DD`. */

/** A calendar was asked about a year that its table does not know. Nothing is guessed: an office may be closed then. */
export class CalendarGap extends Error {
  readonly calendar: string
  readonly year: number

  constructor({ name, holidays }: Calendar, year: number) {
    super(
      `The calendar ${name} knows no official days of ${year}. Add them to ${holidays?.source.replace('YYYY', String(year))}, then start the gateway again.`,
    )
    this.name = 'CalendarGap'
    this.calendar = name
    this.year = year
  }
}

/** Whether a date is worked. Throws CalendarGap. */
export function isWorkday(calendar: Calendar, date: string): boolean {
  return isDayWorked(calendar, dayOf(date))
}

/** The first workday after a date. Throws CalendarGap. */
export function nextWorkday(calendar: Calendar, date: string): string {
  return dateText(civilDate(workdaysFrom(calendar, dayOf(date), 1)))
}

/** The time in which month-end is being closed. */
export type FreezeWindow = Readonly<{ from: number; until: number }>

/** The month-end freeze that an instant lies in, its beginning included and its end not; null outside. Throws CalendarGap. */
export function freezeAt(calendar: Calendar, instant: number): FreezeWindow | null {
  const { freeze } = calendar
  if (freeze === null) return null
  const zone = mustZone(calendar.zone)
  const { year, month } = civilDate(localDay(zone, instant))
  const [first, next] = [firstDay(year, month), firstDay(year, month + 1)]
  const begins = (nextMonth: number) =>
    edge(calendar, zone, workdaysFrom(calendar, nextMonth, -1), freeze.from)
  const ends = (month: number) => edge(calendar, zone, workdaysFrom(calendar, month - 1, 1), freeze.to)
  // A freeze ends in the month after that of its beginning, so only those of the last month and of this one can hold. No
  // more is asked of the table than the answer needs: next year's may not be known yet.
  if (instant < ends(first) && instant >= begins(first)) return { from: begins(first), until: ends(first) }
  if (instant < begins(next)) return null
  return instant < ends(next) ? { from: begins(next), until: ends(next) } : null
}

/** The first instant, from the given one on, outside of any freeze. Throws CalendarGap. */
export function nextOpen(calendar: Calendar, instant: number): number {
  const frozen = freezeAt(calendar, instant)
  return frozen === null ? instant : nextOpen(calendar, frozen.until)
}

/** Whether its table knows the year, or it goes by weekends alone. */
export function knowsYear({ holidays }: Calendar, year: number): boolean {
  return holidays === null || holidays.years.includes(year)
}

// ─── days ───────────────────────────────────────────────────────────────────────────────────────

/** The longest run of days off that is searched; no table of a country comes near. */
const DAYS_OFF_MAX = 400

function isDayWorked(calendar: Calendar, day: number): boolean {
  const date = civilDate(day)
  if (!knowsYear(calendar, date.year)) throw new CalendarGap(calendar, date.year)
  const kind = calendar.holidays?.days[dateText(date)]
  if (kind !== undefined) return kind === 'workday'
  return !calendar.weekend.includes(weekdayOf(day))
}

/** 0 is Sunday; 1970 began on a Thursday. */
export function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7
}

/** So many workdays after a day, or before it; the day itself does not count. */
function workdaysFrom(calendar: Calendar, day: number, workdays: number): number {
  const step = Math.sign(workdays)
  let left = Math.abs(workdays)
  let at = day
  for (let days = 0; left > 0; days += 1) {
    if (days > DAYS_OFF_MAX * Math.abs(workdays))
      throw new Error(`The calendar ${calendar.name} has no workday near ${dateText(civilDate(day))}.`)
    at += step
    if (isDayWorked(calendar, at)) left -= 1
  }
  return at
}

function firstDay(year: number, month: number): number {
  return month === 13 ? dayNumber(year + 1, 1, 1) : dayNumber(year, month, 1)
}

function edge(calendar: Calendar, zone: Zone, workday: number, { workdays, minute }: FreezeEdge): number {
  return instantAt(zone, workdaysFrom(calendar, workday, workdays), minute)
}

// ─── instants ───────────────────────────────────────────────────────────────────────────────────

/** The instant of a minute of a local day; 1,440 is the next day's midnight. */
export function instantAt(zone: Zone, day: number, minute: number): number {
  return zone.resolve(day * DAY_SECONDS + minute * 60).epochSeconds * 1_000
}

/** The local day of an instant, in days since 1970. */
export function localDay(zone: Zone, instant: number): number {
  const seconds = Math.floor(instant / 1_000)
  return Math.floor((seconds + zone.offsetAt(seconds)) / DAY_SECONDS)
}

/** A zone that the config has already been checked for. */
export function mustZone(name: string): Zone {
  const zone = createZone(name)
  if (zone === null) throw new Error(`This runtime does not know the zone ${name}.`)
  return zone
}

function dayOf(date: string): number {
  const day = parseDate(date)
  if (day === null) throw new Error(`${date} is no date.`)
  return day
}
