import type { Check } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import { inSnapshot, planFeed } from './plan.ts'
import type { Feed } from './settings.ts'
import { stagesOf } from './stages.ts'
import type { Statement, Transport } from './transport.ts'

/**
 * Whether every feed can be read, and what a person should know: a missing index, an account that may write. It reads
 * no rows of the feeds.
 */
export async function checkFeeds(
  transport: Transport,
  feeds: Readonly<Record<string, Feed>>,
  signal: AbortSignal,
): Promise<Check> {
  try {
    const notes: string[] = []
    for (const statement of transport.dialect.advice(null))
      notes.push(...(await ask(transport, statement, signal)))
    for (const [name, feed] of Object.entries(feeds))
      notes.push(...(await checkFeed(transport, name, feed, signal)))
    return notes.length === 0 ? { ok: true } : { ok: true, notes }
  } catch (error) {
    if (error instanceof AdapterError) return { ok: false, reason: error.message }
    throw error
  }
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

async function checkFeed(
  transport: Transport,
  name: string,
  feed: Feed,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const notes: string[] = []
  const { dialect } = transport
  const plan = await inSnapshot(transport, signal, (snapshot) =>
    planFeed(dialect, snapshot, name, feed, signal),
  )
  const cursor = feed.cursor.strategy === 'watermark' ? feed.cursor.columns : []
  if (feed.cursor.strategy === 'watermark') stagesOf(plan, feed, feed.cursor)
  const subjects = feed.table === undefined ? [] : [{ table: feed.table, key: feed.key, cursor }]
  for (const { table, key, cursor: own } of feed.lines)
    subjects.push({ table, key, cursor: own?.columns ?? [] })
  for (const subject of subjects) {
    for (const statement of dialect.advice(subject)) {
      for (const note of await ask(transport, statement, signal)) notes.push(`Feed ${name}: ${note}`)
    }
  }
  return notes
}

async function ask(
  transport: Transport,
  statement: Statement,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const { rows } = await inSnapshot(transport, signal, (snapshot) =>
      snapshot.query(statement.text, statement.parameters, signal),
    )
    return rows.flatMap((row) => row[0] ?? [])
  } catch (error) {
    if (!(error instanceof AdapterError) || error.remedy !== 'fix-config') throw error
    return [`Advice could not be had: ${error.message}`]
  }
}
