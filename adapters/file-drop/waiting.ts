import type { Context, Mark, Unreadable } from '../contract.ts'
import type { Ledger } from './ledger.ts'
import { isSameFile, refusedMark, sightMark } from './ledger.ts'
import type { Feed } from './settings.ts'
import { isWanted } from './settings.ts'
import type { FileEntry, Transport } from './transport.ts'

/** What lies in the folder: whole files in the order to read them, and what is to be said and remembered besides. */
export type Waiting = Readonly<{
  finished: readonly FileEntry[]
  refused: readonly Unreadable[]
  marks: readonly Mark[]
}>

/** Looks through the folder. Waits for nothing: a file that is not whole yet is for a later poll. */
export async function lookThrough(
  transport: Transport,
  feed: Feed,
  ledger: Ledger,
  context: Context,
  signal: AbortSignal,
): Promise<Waiting> {
  const wanted = isWanted(feed)
  const marker = feed.finished.by === 'marker' ? feed.finished.suffix : null
  const isMarker = (name: string) =>
    marker !== null && name.endsWith(marker) && wanted(name.slice(0, -marker.length))
  const entries = await transport.list((name) => wanted(name) || isMarker(name), signal)
  const markers = new Map(entries.filter(({ name }) => isMarker(name)).map((entry) => [entry.name, entry]))
  const finished: FileEntry[] = []
  const refused: Unreadable[] = []
  const marks: Mark[] = []
  for (const entry of entries) {
    if (markers.has(entry.name)) continue
    const reason = refusal(entry)
    if (reason !== null) {
      if (ledger.wasRefused(entry.name)) continue
      refused.push(refusedName(entry, reason))
      marks.push(refusedMark(entry.name))
      continue
    }
    if (feed.finished.by === 'stable') {
      const { isStable, mark } = watch(entry, feed.finished, ledger, context)
      if (mark !== null) marks.push(mark)
      if (!isStable) continue
    }
    // A marker that is older than the file is of the file that had the name before.
    const itsMarker = marker === null ? null : markers.get(`${entry.name}${marker}`)
    if (itsMarker === undefined || (itsMarker !== null && itsMarker.modifiedMs < entry.modifiedMs)) continue
    finished.push(entry)
  }
  return { finished: finished.sort(byOrder(feed)), refused, marks }
}

function refusal(entry: FileEntry): string | null {
  if (entry.name.includes('\ufffd'))
    return 'has a name that is not written in UTF-8, by which it cannot be opened'
  return entry.isRegular
    ? null
    : 'is a link or no file at all: it may lead out of the folder and is not opened'
}

function refusedName(entry: FileEntry, reason: string): Unreadable {
  return { where: entry.name, key: null, raw: new TextEncoder().encode(entry.name), reason }
}

function watch(
  entry: FileEntry,
  rule: Extract<Feed['finished'], { by: 'stable' }>,
  ledger: Ledger,
  context: Context,
): Readonly<{ isStable: boolean; mark: Mark | null }> {
  const { size, stamp, modifiedMs } = entry
  if (isSameFile(entry, ledger.file(entry.name))) return { isStable: true, mark: null }
  const before = ledger.sight(entry.name)
  const polls = isSameFile(entry, before) ? (before?.polls ?? 0) + 1 : 1
  const isOld = context.runtime.wall() - modifiedMs >= rule.age
  const counted = Math.min(polls, rule.polls)
  const isKnown = isSameFile(entry, before) && before?.polls === counted
  return {
    isStable: polls >= rule.polls && isOld,
    mark: isKnown ? null : sightMark(entry.name, { size, stamp, polls: counted }),
  }
}

/** By name bytewise, or by time and then name. */
export function byOrder(feed: Feed): (a: FileEntry, b: FileEntry) => number {
  const byName = (a: FileEntry, b: FileEntry) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)
  return feed.cursor.order === 'name' ? byName : (a, b) => a.modifiedMs - b.modifiedMs || byName(a, b)
}
