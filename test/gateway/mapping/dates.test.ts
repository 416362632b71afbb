import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { civilDate, dayNumber, isDay, parseInstant } from '../../../gateway/mapping/calendar.ts'
import { createZone } from '../../../gateway/mapping/zone.ts'
import { fieldOf, mappingOf, recordOf, SOURCE, thing } from './language.ts'

function moment(M: string, zone = 'Asia/Shanghai', pattern?: string): unknown {
  const stated = pattern === undefined ? '' : `, pattern: "${pattern}"`
  const mapping = mappingOf(thing(`moment: { from: M, as: date-time${stated} }`), { ...SOURCE, zone })
  return fieldOf(mapping.map(recordOf({ M })), 'moment')
}

function day(D: string, pattern?: string): unknown {
  const stated = pattern === undefined ? '' : `, pattern: ${pattern}`
  return fieldOf(mappingOf(thing(`day: { from: D, as: date${stated} }`)).map(recordOf({ D })), 'day')
}

describe('dates', () => {
  test.each([
    ['2026-10-01', undefined, '2026-10-01'],
    ['2022-04-15 00:00:00', undefined, '2022-04-15'],
    ['20260930', 'YYYYMMDD', '2026-09-30'],
    ['30.09.2026', 'DD.MM.YYYY', '2026-09-30'],
    ['2026年09月30日', 'YYYY年MM月DD日', '2026-09-30'],
    ['09/30/2026', '["YYYYMMDD", "MM/DD/YYYY"]', '2026-09-30'],
    ['2024-02-29', undefined, '2024-02-29'],
    ['9999-12-31', undefined, '9999-12-31'],
  ])('%s is read', (text, pattern, expected) => {
    expect(day(text, pattern)).toBe(expected)
  })

  test.each([
    '2026-09-31',
    '2025-02-29',
    '2026-13-01',
    '0000-01-01',
    '2026-1-1',
    '2026-10-01x',
    '２０２６-10-01',
    '1900-02-29',
  ])('%s is refused', (text) => {
    expect(day(text)).toContain('is not a date')
  })

  test('are numbered without gaps over four centuries', () => {
    let [year, month, date] = [1850, 1, 1]
    const wrong: number[] = []
    for (let number = dayNumber(1850, 1, 1); year < 2250; number++) {
      const found = civilDate(number)
      if (found.year !== year || found.month !== month || found.day !== date) wrong.push(number)
      if (isDay(year, month, date + 1)) date++
      else [year, month, date] = month === 12 ? [year + 1, 1, 1] : [year, month + 1, 1]
    }
    expect(wrong).toEqual([])
  })
})

describe('date-times', () => {
  test.each([
    ['2026-10-01 08:15:02', '2026-10-01T08:15:02+08:00'],
    ['2026-10-01 08:15:02.123456+08', '2026-10-01T08:15:02.123456+08:00'],
    ['2026-10-01 00:15:02.120000+00', '2026-10-01T00:15:02.12+00:00'],
    ['2026-10-01T08:15:02.000Z', '2026-10-01T08:15:02+00:00'],
    ['2026-10-01 08:15:02-03:30', '2026-10-01T08:15:02-03:30'],
    ['2026-10-01 08:15:02+0545', '2026-10-01T08:15:02+05:45'],
    ['2026-10-01 24:00:00', '2026-10-02T00:00:00+08:00'],
    ['2026-10-01 00:00:00', '2026-10-01T00:00:00+08:00'],
    ['1900-12-31 23:54:17', '1900-12-31T15:48:34Z'],
    ['1890-01-01 00:00:00+08:05:43', '1889-12-31T15:54:17Z'],
  ])('%s in Shanghai', (text, expected) => {
    expect(moment(text)).toBe(expected)
  })

  test.each([
    '2026-10-01',
    '2026-10-01 25:00:00',
    '2026-10-01 08:60:00',
    '2026-10-01 08:15',
    '2026-10-01 24:00:01',
    '2026-10-01 08:15:02+99',
    '0001-01-01 00:00:00',
  ])('%s is refused', (text) => {
    expect(moment(text)).toContain('is not a date-time')
  })

  test('are read from two columns, of which the time may be short of nothing', () => {
    const mapping = mappingOf(thing('moment: { from: [D, T], as: date-time, pattern: "YYYYMMDD[ HHMMSS]" }'))
    expect(fieldOf(mapping.map(recordOf({ D: '20261001', T: '081502' })), 'moment')).toBe(
      '2026-10-01T08:15:02+08:00',
    )
    expect(fieldOf(mapping.map(recordOf({ D: '20261001', T: '' })), 'moment')).toBe(
      '2026-10-01T00:00:00+08:00',
    )
    expect(fieldOf(mapping.map(recordOf({ D: '20261001', T: '8150' })), 'moment')).toContain(
      'is not a date-time',
    )
  })

  test('that come twice when clocks go back mean the first time', () => {
    expect(moment('2026-10-25 02:30:00', 'Europe/Berlin')).toBe('2026-10-25T02:30:00+02:00')
    expect(moment('2026-10-25 03:00:00', 'Europe/Berlin')).toBe('2026-10-25T03:00:00+01:00')
    expect(moment('2026-04-05 01:45:00', 'Australia/Lord_Howe')).toBe('2026-04-05T01:45:00+11:00')
  })

  test('that never come when clocks go forward are moved by the gap', () => {
    expect(moment('2026-03-29 02:30:00', 'Europe/Berlin')).toBe('2026-03-29T03:30:00+02:00')
    expect(moment('2026-10-04 02:15:00', 'Australia/Lord_Howe')).toBe('2026-10-04T02:45:00+11:00')
    expect(moment('2011-12-30 12:00:00', 'Pacific/Apia')).toBe('2011-12-31T12:00:00+14:00')
  })

  test('mean the instant that shows them on the clock of the zone, or none near it does', () => {
    const zones = [
      'Europe/Berlin',
      'America/New_York',
      'Asia/Hong_Kong',
      'Asia/Ho_Chi_Minh',
      'Australia/Lord_Howe',
    ]
    const clocks = new Map(zones.map((name) => [name, { zone: createZone(name), clock: clockOf(name) }]))
    // Around the changes of every year, where it matters, and anywhere else.
    const anywhere = fc.integer({ min: Date.UTC(1946, 0) / 1000, max: Date.UTC(2040, 0) / 1000 })
    fc.assert(
      fc.property(fc.constantFrom(...zones), anywhere, (name, local) => {
        const { zone, clock } = clocks.get(name) ?? {}
        if (zone === undefined || zone === null || clock === undefined) throw new Error(name)
        const { epochSeconds, offsetSeconds } = zone.resolve(local)
        const shown = clock(epochSeconds)
        expect(shown).toBe(epochSeconds + offsetSeconds)
        if (shown === local) {
          // No earlier instant may show the same: it would be the first of the two.
          for (const hour of [0.5, 1, 2]) expect(clock(epochSeconds - hour * 3600)).not.toBe(local)
        } else {
          expect(shown).toBeGreaterThan(local)
          expect(nobodyShows(local, clock)).toBe(true)
        }
      }),
      { numRuns: 400 },
    )
  })

  test('around a change of clocks are resolved minute by minute as the clock shows them', () => {
    const zone = createZone('Europe/Berlin')
    const clock = clockOf('Europe/Berlin')
    for (const change of [Date.UTC(2026, 2, 29, 1) / 1000, Date.UTC(2026, 9, 25, 1) / 1000]) {
      for (let at = change - 4 * 3600; at < change + 4 * 3600; at += 600) {
        const { epochSeconds } = zone?.resolve(clock(at)) ?? { epochSeconds: 0 }
        expect([at, at - 3600]).toContain(epochSeconds)
        expect(clock(epochSeconds)).toBe(clock(at))
      }
    }
  })

  test('are compared as instants to the nanosecond', () => {
    expect(parseInstant('2026-10-01T08:00:00+08:00')).toBe(parseInstant('2026-10-01T00:00:00Z'))
    expect(parseInstant('2026-10-01T00:00:00.000000001Z')).toBe(
      (parseInstant('2026-10-01T00:00:00Z') ?? 0n) + 1n,
    )
    expect(parseInstant('2026-02-30T00:00:00Z')).toBe(null)
  })
})

/**
 * What a clock in the zone shows at an instant, as if it were UTC: computed by another way than the
 * code under test.
 */
function clockOf(zone: string): (epochSeconds: number) => number {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
  return (epochSeconds) => Date.parse(`${format.format(epochSeconds * 1000).replace(' ', 'T')}Z`) / 1000
}

function nobodyShows(local: number, clock: (epochSeconds: number) => number): boolean {
  for (let offset = -12; offset <= 14; offset += 0.25)
    if (clock(local - offset * 3600) === local) return false
  return true
}
