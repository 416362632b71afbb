import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCalendarDays } from '../../../gateway/config/calendar-table.ts'
import type { Calendar, HolidayTable } from '../../../gateway/config/model.ts'
import { CalendarGap, freezeAt, isWorkday, nextOpen, nextWorkday } from '../../../gateway/lane/calendar.ts'
import { createFiles } from '../../../gateway/node/files.ts'

const TABLES = ['CN', 'HK', 'HK-statutory', 'TW', 'VN'] as const
const YEARS = [2025, 2026]
const folder = `${import.meta.dirname}/../../../schemas/calendars`

function tableOf(name: string): HolidayTable {
  const read = YEARS.map((year) => {
    const file = `${folder}/${name}-${year}.csv`
    return readCalendarDays(file, createFiles().read(file) ?? '')
  })
  expect(read.flatMap(({ mistakes }) => mistakes)).toEqual([])
  return {
    source: `${name}-YYYY.csv`,
    years: YEARS,
    days: Object.assign({}, ...read.map(({ days }) => days)),
  }
}

function calendarOf(name: string, zone = 'Asia/Shanghai'): Calendar {
  const freeze = { from: { workdays: 0, minute: 18 * 60 }, to: { workdays: 0, minute: 12 * 60 } }
  return { name: name.toLowerCase(), zone, weekend: [0, 6], holidays: tableOf(name), freeze }
}

/** Dates of a year in order. */
function datesOf(year: number): readonly string[] {
  const start = Date.UTC(year, 0, 1)
  const days = (Date.UTC(year + 1, 0, 1) - start) / 86_400_000
  return Array.from({ length: days }, (_, day) =>
    new Date(start + day * 86_400_000).toISOString().slice(0, 10),
  )
}

describe('the tables of the box', () => {
  test.for([
    // Swaps change no sum. Mainland China: 365 days less 104 of weekends and the 13 holidays of the law. Taiwan: less the
    // 120 days off that the notice counts.
    ['CN', 2025, 248],
    ['CN', 2026, 248],
    ['TW', 2026, 245],
  ] as const)('count as many workdays of %s in %i as there must be', ([name, year, workdays]) => {
    const calendar = calendarOf(name)
    expect(datesOf(year).filter((date) => isWorkday(calendar, date))).toHaveLength(workdays)
  })

  test('make up in mainland China for each workday that a long holiday takes', () => {
    const china = calendarOf('CN')
    for (const date of ['2026-01-04', '2026-02-14', '2026-02-28', '2026-05-09', '2026-09-20', '2026-10-10'])
      expect(isWorkday(china, date), date).toBe(true)
    for (const date of ['2026-02-16', '2026-02-23', '2026-10-07']) expect(isWorkday(china, date)).toBe(false)
    expect(nextWorkday(china, '2026-02-14')).toBe('2026-02-24')
    expect(nextWorkday(china, '2026-09-30')).toBe('2026-10-08')
  })

  test('hold every statutory holiday of Hong Kong among the general ones', () => {
    const [general, statutory] = [tableOf('HK').days, tableOf('HK-statutory').days]
    expect(Object.keys(statutory).filter((date) => general[date] !== 'holiday')).toEqual([])
    const count = (days: HolidayTable['days'], year: number) =>
      Object.keys(days).filter((date) => date.startsWith(`${year}`)).length
    expect(YEARS.map((year) => [count(general, year), count(statutory, year)])).toEqual([
      [17, 14],
      [17, 15],
    ])
  })

  test('let only weekends be worked in exchange', () => {
    for (const name of TABLES) {
      const swapped = Object.entries(tableOf(name).days).filter(([, kind]) => kind === 'workday')
      for (const [date] of swapped) expect([0, 6], `${name} ${date}`).toContain(new Date(date).getUTCDay())
    }
    expect(nextWorkday(calendarOf('VN'), '2026-08-28')).toBe('2026-09-03')
    expect(isWorkday(calendarOf('TW'), '2025-02-08')).toBe(true)
  })
})

describe('a month-end freeze', () => {
  const china = calendarOf('CN')
  const at = (text: string) => Date.parse(`${text}+08:00`)
  const hours = (instant: number) => new Date(instant + 8 * 3_600_000).toISOString().slice(0, 16)

  test('runs from the last workday of a month to the first of the next, over holidays and working weekends', () => {
    const frozen = freezeAt(china, at('2026-10-01T09:00'))
    expect(frozen && [hours(frozen.from), hours(frozen.until)]).toEqual([
      '2026-09-30T18:00',
      '2026-10-08T12:00',
    ])
    // 28 February 2026 is a Saturday that is worked.
    const february = freezeAt(china, at('2026-03-01T00:00'))
    expect(february && [hours(february.from), hours(february.until)]).toEqual([
      '2026-02-28T18:00',
      '2026-03-02T12:00',
    ])
    expect(freezeAt(china, at('2026-02-27T20:00'))).toBeNull()
  })

  test('includes its beginning and not its end', () => {
    expect(freezeAt(china, at('2026-09-30T18:00') - 1)).toBeNull()
    expect(freezeAt(china, at('2026-09-30T18:00'))).not.toBeNull()
    expect(freezeAt(china, at('2026-10-08T12:00') - 1)).not.toBeNull()
    expect(freezeAt(china, at('2026-10-08T12:00'))).toBeNull()
    expect(hours(nextOpen(china, at('2026-10-03T09:00')))).toBe('2026-10-08T12:00')
    expect(nextOpen(china, at('2026-10-09T09:00'))).toBe(at('2026-10-09T09:00'))
  })

  test('is of the calendar as it is in its own zone', () => {
    const hongKong = { ...calendarOf('HK', 'Europe/London'), name: 'far' }
    expect(freezeAt(hongKong, Date.parse('2026-08-31T16:59:00Z'))).toBeNull()
    expect(freezeAt(hongKong, Date.parse('2026-08-31T17:00:00Z'))).not.toBeNull()
  })

  test('moves by whole workdays', () => {
    const early = { ...china, freeze: { from: { workdays: -2, minute: 0 }, to: { workdays: 1, minute: 0 } } }
    const frozen = freezeAt(early, at('2026-10-01T09:00'))
    expect(frozen && [hours(frozen.from), hours(frozen.until)]).toEqual([
      '2026-09-28T00:00',
      '2026-10-09T00:00',
    ])
  })

  test('lets every instant of two years out in the end, and is found from its middle as from its beginning', () => {
    const span = fc.integer({ min: at('2025-02-01T00:00'), max: at('2026-12-30T00:00') })
    fc.assert(
      fc.property(span, (instant) => {
        const frozen = freezeAt(china, instant)
        if (frozen === null) return
        expect(frozen.from <= instant && instant < frozen.until).toBe(true)
        expect(freezeAt(china, frozen.from)).toEqual(frozen)
        expect(freezeAt(china, frozen.until)).toBeNull()
        expect(nextOpen(china, instant)).toBe(frozen.until)
      }),
    )
  })

  test('of a year without a table is an error that names the file, and is asked for no earlier than needed', () => {
    expect(freezeAt(china, at('2026-12-31T17:00'))).toBeNull()
    for (const instant of [at('2026-12-31T18:00'), at('2027-06-01T00:00')])
      expect(() => freezeAt(china, instant)).toThrow(CalendarGap)
    expect(() => isWorkday(china, '2027-01-04')).toThrow(
      'The calendar cn knows no official days of 2027. Add them to CN-2027.csv',
    )
  })

  test('by weekends alone needs no table', () => {
    const plain = { ...china, holidays: null }
    expect(isWorkday(plain, '2031-01-01')).toBe(true)
    expect(freezeAt(plain, at('2030-12-31T18:00'))).not.toBeNull()
  })
})
