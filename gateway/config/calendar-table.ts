import { isMap, isNode, isSeq, LineCounter, parseDocument } from 'yaml'
import { parseDate } from '../mapping/calendar.ts'
import type { Mistake } from '../mapping/mistake.ts'
import { YAML_SCHEMA } from './document.ts'
import type { DayKind } from './model.ts'

/** What a file of days says. */
export type CalendarDays = Readonly<{
  days: Readonly<Record<string, DayKind>>
  mistakes: readonly Mistake[]
}>

type Line = Readonly<{ line: number; date: string; kind: string }>

/**
 * Reads days that are not what their weekday says: lines of `date,kind,name` behind that heading, `#` before a remark;
 * or, in a YAML file, a list of the same three. The name is for people.
 */
export function readCalendarDays(file: string, text: string): CalendarDays {
  const mistakes: Mistake[] = []
  const mistake = (line: number, message: string) =>
    void mistakes.push({ file, line, column: 1, field: '', message })
  const days: Record<string, DayKind> = {}
  const lines = /\.ya?ml$/.test(file) ? yamlLines(text, mistake) : csvLines(text, mistake)
  for (const { line, date, kind } of lines) {
    if (parseDate(date) === null) mistake(line, `"${date}" is no date; write it like 2026-10-01`)
    else if (kind !== 'holiday' && kind !== 'workday')
      mistake(line, `the kind of ${date} is "${kind}"; it must be holiday or workday`)
    else if (days[date] !== undefined) mistake(line, `${date} stands here twice; take one out`)
    else days[date] = kind
  }
  if (mistakes.length === 0 && Object.keys(days).length === 0)
    mistake(1, 'holds no day; write lines like 2026-10-01,holiday,National Day below date,kind,name')
  return { days, mistakes }
}

type Report = (line: number, message: string) => void

function csvLines(text: string, mistake: Report): readonly Line[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((written, index) => ({ line: index + 1, written: written.trim() }))
    .filter(({ written }) => written !== '' && !written.startsWith('#'))
  const [heading, ...rest] = lines
  if (heading === undefined) return []
  if (!/^date,kind(,name)?$/.test(heading.written)) {
    mistake(heading.line, 'must begin with the heading date,kind,name')
    return []
  }
  return rest.map(({ line, written }) => {
    const [date = '', kind = ''] = written.split(',')
    return { line, date: date.trim(), kind: kind.trim() }
  })
}

function yamlLines(text: string, mistake: Report): readonly Line[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { ...YAML_SCHEMA, lineCounter: lines, prettyErrors: false })
  for (const error of document.errors)
    mistake(lines.linePos(error.pos[0]).line, `is no YAML: ${error.message}`)
  if (document.errors.length > 0) return []
  if (!isSeq(document.contents)) {
    mistake(1, 'must be a list of { date, kind, name }')
    return []
  }
  return document.contents.items.map((item) => {
    const line = isNode(item) ? lines.linePos(item.range?.[0] ?? 0).line : 1
    const textAt = (key: string) => (isMap(item) ? String(item.get(key) ?? '') : '')
    return { line, date: textAt('date'), kind: textAt('kind') }
  })
}
