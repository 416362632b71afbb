import type { Check } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import { readClock, yearOf } from './clock.ts'
import { readFuture } from './heights.ts'
import type { Plan } from './plan.ts'
import { inSnapshot, planFeed, typeAt } from './plan.ts'
import type { Feed } from './settings.ts'
import { risingCursor } from './settings.ts'
import type { Stage } from './stages.ts'
import { stagesOf } from './stages.ts'
import type { Row, Statement, Transport } from './transport.ts'

/**
 * Whether every feed can be read, and what a person should know: a missing index, an account that may write, clocks that
 * disagree. Of the rows it reads the highest cursor value alone, and only where an index has it ready.
 */
export async function checkFeeds(
  transport: Transport,
  feeds: Readonly<Record<string, Feed>>,
  zone: string,
  signal: AbortSignal,
): Promise<Check> {
  const asking: Asking = { transport, zone, signal }
  try {
    const advice: Advice[] = []
    for (const statement of transport.dialect.advice(null))
      advice.push(...(await adviceOf(asking, statement)))
    const local: string[] = []
    const faults = new Set<string>()
    for (const [name, feed] of Object.entries(feeds)) {
      const found = await checkFeed(asking, name, feed).catch(faultOf)
      if (typeof found === 'string') {
        faults.add(found)
        continue
      }
      advice.push(
        ...found.advice.map(({ text, isWarning }) => ({ text: `Feed ${name}: ${text}`, isWarning })),
      )
      local.push(...found.local.map((field) => `${name}.${field}`))
    }
    if (faults.size > 0) return { ok: false, reason: [...faults].join(' ') }
    advice.push(...(await advised(() => aboutZone(asking, local))))
    const texts = (isWarning: boolean) =>
      advice.filter((one) => one.isWarning === isWarning).map(({ text }) => text)
    const [warnings, notes] = [texts(true), texts(false)]
    return {
      ok: true,
      ...(warnings.length > 0 ? { warnings } : {}),
      ...(notes.length > 0 ? { notes } : {}),
    }
  } catch (error) {
    if (error instanceof AdapterError) return { ok: false, reason: error.message }
    throw error
  }
}

/** What is to be mended, for a feed whose fault says nothing of the next; throws what ends the check of all. */
function faultOf(error: unknown): string {
  if (error instanceof AdapterError && error.remedy === 'fix-config') return error.message
  throw error
}

/** Who answers, as far as the account may ask. Null where it may ask nothing. */
export async function identityOf(transport: Transport, signal: AbortSignal): Promise<string | null> {
  for (const query of transport.dialect.identities()) {
    try {
      const { rows } = await inSnapshot(transport, signal, (snapshot) => snapshot.query(query, [], signal))
      const identity = rows[0]?.[0]
      if (typeof identity === 'string') return identity
    } catch (error) {
      // An account that may not ask this much may ask the next.
      if (!(error instanceof AdapterError) || error.remedy !== 'fix-config') throw error
    }
  }
  return null
}

/** What a person should know; a warning where something is not safe as it is. */
type Advice = Readonly<{ text: string; isWarning: boolean }>

type Asking = Readonly<{ transport: Transport; zone: string; signal: AbortSignal }>

/** Advice on a feed, and those of its fields that hold a time without a zone. */
async function checkFeed(
  asking: Asking,
  name: string,
  feed: Feed,
): Promise<Readonly<{ advice: readonly Advice[]; local: readonly string[] }>> {
  const { transport, signal } = asking
  const { dialect } = transport
  const plan = await inSnapshot(transport, signal, (snapshot) =>
    planFeed(dialect, snapshot, name, feed, signal),
  )
  const rising = risingCursor(feed)
  const stages = rising === null ? [] : stagesOf(plan, feed, rising)
  const cursor = rising?.columns ?? []
  const subjects = feed.table === undefined ? [] : [{ table: feed.table, key: feed.key, cursor }]
  for (const { table, key, cursor: own } of feed.lines)
    if (table !== undefined) subjects.push({ table, key, cursor: own?.columns ?? [] })
  const advice: Advice[] = []
  for (const subject of subjects) {
    for (const statement of dialect.advice(subject)) advice.push(...(await adviceOf(asking, statement)))
  }
  for (const stage of stages) {
    const table = stage.lines === null ? feed.table : stage.lines.settings.table
    // What the highest value of a select costs, nobody knows before a poll asks for it.
    if (stage.kind === 'rising' && table !== undefined)
      advice.push(...(await advised(() => aboutHeight(asking, plan, stage, table))))
  }
  const local = Object.entries(plan.fields).filter(([, type]) => dialect.cursorType(type) === 'local')
  return { advice, local: local.map(([field]) => field) }
}

/** Whether the highest cursor value of a table is had at once, and if so, whether it lies in the future. */
async function aboutHeight(
  asking: Asking,
  plan: Plan,
  stage: Stage,
  table: string,
): Promise<readonly string[]> {
  const { transport, zone, signal } = asking
  const { relation, cursor } = stage
  const [place = 0] = cursor
  const column = relation.columns[place] ?? ''
  const [index] = await rowsOf(asking, transport.dialect.cursorIndex(table, column))
  if (index === undefined) return []
  if (index[0] !== null && index[0] !== undefined) return [index[0]]
  const future = await inSnapshot(transport, signal, (snapshot) =>
    readFuture(plan, stage, snapshot, zone, signal),
  )
  if (future === null) return []
  const isZoned = transport.dialect.cursorType(typeAt(relation, place)) === 'instant'
  const now = future.now.replace(/\.\d+/, '')
  const clock = isZoned ? now : `${now} in the source's zone ${zone}`
  const remedy = isZoned ? '' : ', or set another `zone` at the source where that one is wrong'
  return [
    `The newest ${column} of ${table} is ${future.highest}, but the database's clock says ${clock}. Until then each poll begins an overlap below that clock, and misses a change that is dated earlier. Mend such rows, or leave them out by a select${remedy}.`,
  ]
}

const FIELDS_SHOWN_MAX = 8

/** Whether the database fills in times by another clock than the source's. It matters to fields without a zone alone. */
async function aboutZone(asking: Asking, local: readonly string[]): Promise<readonly string[]> {
  if (local.length === 0) return []
  const { transport, zone, signal } = asking
  const now = await inSnapshot(transport, signal, (snapshot) =>
    readClock(transport.dialect, snapshot, signal),
  )
  const [row] = await rowsOf(asking, transport.dialect.otherZone(zone, yearOf(now, zone)))
  if (row === undefined) return []
  const [own, ownClock, clock] = row
  const more = local.length > FIELDS_SHOWN_MAX ? ` and ${local.length - FIELDS_SHOWN_MAX} more` : ''
  const shown = `${local.slice(0, FIELDS_SHOWN_MAX).join(', ')}${more}`
  return [
    `The database's own zone is ${own} (${ownClock} now), that of the source is ${asking.zone} (${clock} now). What the database fills in by itself (now(), a default) is taken for another hour in the columns without a zone: ${shown}. Where they are filled so, set \`zone: ${own}\` at the source; where the ERP writes its own local time, all is well.`,
  ]
}

/** What a statement of `Dialect.advice` gives. */
function adviceOf(asking: Asking, statement: Statement): Promise<readonly Advice[]> {
  return advised(async () =>
    (await rowsOf(asking, statement)).flatMap(([text, kind]) =>
      typeof text === 'string' ? [{ text, isWarning: kind === 'warning' }] : [],
    ),
  )
}

/** Where the account may not ask, or the server does not know what is asked, a note says so: no poll needs the answer. */
async function advised(advice: () => Promise<readonly (Advice | string)[]>): Promise<readonly Advice[]> {
  try {
    return (await advice()).map((one) => (typeof one === 'string' ? { text: one, isWarning: false } : one))
  } catch (error) {
    if (!(error instanceof AdapterError) || error.remedy !== 'fix-config') throw error
    return [{ text: `Advice could not be had: ${error.message}`, isWarning: false }]
  }
}

async function rowsOf(
  { transport, signal }: Asking,
  { text, parameters }: Statement,
): Promise<readonly Row[]> {
  const { rows } = await inSnapshot(transport, signal, (snapshot) => snapshot.query(text, parameters, signal))
  return rows
}
