import { resolve } from 'node:path'
import type { Mistake } from '../mapping/mistake.ts'
import { suggestion } from '../mapping/mistake.ts'
import type { Files } from '../ports.ts'
import { readCalendarDays } from './calendar-table.ts'
import { type ConfigTree, entriesAt, type Path } from './document.ts'
import { mistakeAtPath } from './issues.ts'
import type { Calendar, HolidayTable } from './model.ts'
import type { CalendarInput } from './schema.ts'

/** Calendars as they are meant, their tables read; and what is wrong with them. */
export type Calendars = Readonly<{
  calendars: Readonly<Record<string, Calendar>>
  mistakes: readonly Mistake[]
}>

export type CalendarSettings = Readonly<Record<string, CalendarInput>>

type Reading = Readonly<{
  tree: ConfigTree
  settings: CalendarSettings
  files: Files
  /** Of the config; what paths start from. */
  folder: string
  /** The folder of the bundled tables, a file for each year of each: `CN-2026.csv`. */
  bundled: string
  mistakes: Mistake[]
}>

/** Makes of the calendars that are written those that are meant; `settings` are those whose own form is right. */
export function readCalendars(
  tree: ConfigTree,
  settings: CalendarSettings,
  files: Files,
  folders: Readonly<{ config: string; bundled: string }>,
): Calendars {
  const mistakes: Mistake[] = []
  const reading = { tree, settings, files, folder: folders.config, bundled: folders.bundled, mistakes }
  const calendars: [string, Calendar][] = []
  for (const name of Object.keys(settings)) {
    const calendar = readCalendar(reading, name)
    if (calendar !== null) calendars.push([name, calendar])
  }
  checkSources(reading)
  return { calendars: Object.fromEntries(calendars), mistakes }
}

function checkSources({ tree, mistakes }: Reading): void {
  const known = entriesAt(tree, ['calendars']).map(([name]) => name)
  for (const [source] of entriesAt(tree, ['sources'])) {
    const path = ['sources', source, 'calendar']
    const name = tree.at(path)
    if (typeof name === 'string' && !known.includes(name)) refuseName(tree, mistakes, path, name, known)
  }
}

function refuseName(
  tree: ConfigTree,
  mistakes: Mistake[],
  path: Path,
  name: string,
  known: readonly string[],
): void {
  const where = known.length === 0 ? '; nothing is declared under calendars' : suggestion(name, known)
  mistakes.push(mistakeAtPath(tree, path, 'value', `there is no calendar "${name}"${where}`))
}

/** Null where something about it is wrong, which is said then. */
function readCalendar(reading: Reading, name: string): Calendar | null {
  const { tree, mistakes } = reading
  const path = ['calendars', name]
  const chain = inherited(reading, name)
  if (chain === null) return null
  const first = <Key extends keyof CalendarInput>(key: Key): CalendarInput[Key] | undefined =>
    chain.map((one) => one[key]).find((value) => value !== undefined)
  const zone = first('zone')
  if (zone === undefined) {
    mistakes.push(mistakeAtPath(tree, [...path, 'zone'], 'value', 'is missing; days begin somewhere'))
    return null
  }
  // Where a calendar is inherited from, its table is read there too, and told of there.
  const owner = [name, ...chain.map(({ extends: from }) => from)].find(
    (one) => one !== undefined && reading.settings[one]?.holidays !== undefined,
  )
  const written = first('holidays')
  const holidays = written === undefined ? null : readTable(reading, owner ?? name, written)
  if (written !== undefined && holidays === null) return null
  return { name, zone, weekend: first('weekend') ?? WEEKEND, holidays, freeze: first('freeze') ?? null }
}

const WEEKEND = [0, 6]

/** A calendar and those that it extends, the nearest first. */
function inherited({ tree, settings, mistakes }: Reading, name: string): readonly CalendarInput[] | null {
  const chain: CalendarInput[] = []
  const seen: string[] = []
  for (let at: string | undefined = name; at !== undefined; ) {
    const one: CalendarInput | undefined = Object.hasOwn(settings, at) ? settings[at] : undefined
    const from = ['calendars', seen.at(-1) ?? name, 'extends']
    if (seen.includes(at)) {
      mistakes.push(
        mistakeAtPath(tree, from, 'value', `goes round in a circle: ${[...seen, at].join(' → ')}`),
      )
      return null
    }
    if (one === undefined) {
      // One whose own form is wrong is told of by itself.
      const known = entriesAt(tree, ['calendars']).map(([key]) => key)
      if (!known.includes(at)) refuseName(tree, mistakes, from, at, known)
      return null
    }
    seen.push(at)
    chain.push(one)
    at = one.extends
  }
  return chain
}

/** `CN`: a bundled table. With a dot or a slash: a file of the customer's. */
function readTable(reading: Reading, calendar: string, written: string): HolidayTable | null {
  const { tree, files, folder, bundled, mistakes } = reading
  const refuse = (message: string) => {
    mistakes.push(mistakeAtPath(tree, ['calendars', calendar, 'holidays'], 'value', message))
    return null
  }
  if (/[./]/.test(written)) {
    const path = resolve(folder, written)
    const text = files.read(path)
    if (text === null) return refuse(`there is no file ${path}; write lines of date,kind,name into it`)
    return tableOf(path, [[path, text]], mistakes)
  }
  const names = (files.list(bundled) ?? []).filter((name) => YEAR_FILE.test(name))
  const known = [...new Set(names.map((name) => name.replace(YEAR_FILE, '')))]
  if (!known.includes(written))
    return refuse(
      `there is no table "${written}"${suggestion(written, known)}; a file of your own is named by its path, like ./days.csv`,
    )
  const texts = names
    .filter((name) => name.replace(YEAR_FILE, '') === written)
    .map((name): readonly [string, string] => {
      const file = resolve(bundled, name)
      return [file, files.read(file) ?? '']
    })
  return tableOf(resolve(bundled, `${written}-YYYY.csv`), texts, mistakes)
}

const YEAR_FILE = /-\d{4}\.csv$/

function tableOf(
  source: string,
  texts: readonly (readonly [string, string])[],
  mistakes: Mistake[],
): HolidayTable | null {
  const read = texts.map(([file, text]) => readCalendarDays(file, text))
  const found = read.flatMap((one) => one.mistakes)
  mistakes.push(...found)
  if (found.length > 0) return null
  const days = Object.assign({}, ...read.map((one) => one.days)) as HolidayTable['days']
  const years = [...new Set(Object.keys(days).map((date) => Number(date.slice(0, 4))))].sort()
  return { source, years, days }
}
