import type { Json } from '../../adapters/contract.ts'

/** The languages that people are written to in. */
export const LANGUAGES = ['vi', 'zh-CN', 'zh-HK', 'en'] as const
export type Language = (typeof LANGUAGES)[number]

/**
 * A decimal string with grouped digits, exact: only signs and separators are added. `trim` leaves out zeros at the
 * end of the fraction. Null where the text is no decimal.
 */
export function formatDecimal(value: string, language: Language, trim: boolean): string | null {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value)
  if (match === null) return null
  const [, sign = '', whole = '', digits = ''] = match
  const fraction = trim ? digits.replace(/0+$/, '') : digits
  const { group, point } = SEPARATORS[language]
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, group)
  return sign + grouped + (fraction === '' ? '' : point + fraction)
}

/** `{ value, currency }` as people write it, or null where the value is no amount. */
export function formatAmount(value: Json, language: Language): string | null {
  const parts = pair(value, 'currency')
  if (parts === null) return null
  const figure = formatDecimal(parts.value, language, false)
  if (figure === null) return null
  return language === 'vi' ? `${figure} ${parts.second}` : `${parts.second} ${figure}`
}

/** `{ value, unit }` as people write it; `unitName` turns a code into a word. Null where it is no quantity. */
export function formatQuantity(
  value: Json,
  language: Language,
  unitName: (code: string) => string,
): string | null {
  const parts = pair(value, 'unit')
  if (parts === null) return null
  const figure = formatDecimal(parts.value, language, true)
  return figure === null ? null : `${figure} ${unitName(parts.second)}`
}

/**
 * A date as written in the language. An instant becomes date and time in `zone`; a business date has no zone and
 * stays the day that it is. Null where the value is neither.
 */
export function formatDate(value: Json, language: Language, zone: string): string | null {
  if (typeof value !== 'string') return null
  const day = /^(\d{4})-(\d{2})-(\d{2})$/.exec(value)
  if (day !== null) return writeDay(day[1] ?? '', day[2] ?? '', day[3] ?? '', language)
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}.*(Z|[+-]\d{2}:\d{2})$/.test(value)) return null
  const instant = Date.parse(value)
  if (Number.isNaN(instant)) return null
  const local = new Map(
    clock(zone)
      .formatToParts(instant)
      .map((part) => [part.type, part.value]),
  )
  const part = (name: Intl.DateTimeFormatPartTypes) => local.get(name) ?? ''
  return `${writeDay(part('year'), part('month'), part('day'), language)} ${part('hour')}:${part('minute')}`
}

const SEPARATORS: Readonly<Record<Language, Readonly<{ group: string; point: string }>>> = {
  vi: { group: '.', point: ',' },
  'zh-CN': { group: ',', point: '.' },
  'zh-HK': { group: ',', point: '.' },
  en: { group: ',', point: '.' },
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function pair(value: Json, second: string): { value: string; second: string } | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const { value: figure, [second]: other } = value as Readonly<Record<string, Json>>
  return typeof figure === 'string' && typeof other === 'string' ? { value: figure, second: other } : null
}

function writeDay(year: string, month: string, day: string, language: Language): string {
  switch (language) {
    case 'vi':
      return `${day}/${month}/${year}`
    case 'zh-CN':
    case 'zh-HK':
      return `${year}年${bare(month)}月${bare(day)}日`
    case 'en':
      return `${bare(day)} ${MONTHS[Number(month) - 1] ?? month} ${year}`
  }
}

function bare(digits: string): string {
  return digits.replace(/^0/, '')
}

// The zone is named: nothing depends on the zone or language of the machine.
function clock(zone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
}
