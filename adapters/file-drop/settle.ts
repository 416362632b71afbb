import type { Context } from '../contract.ts'
import type { State } from './cursor.ts'
import type { FileMark, Ledger } from './ledger.ts'
import { isSameFile } from './ledger.ts'
import type { Feed } from './settings.ts'
import { isWanted } from './settings.ts'
import type { FileEntry, Transport } from './transport.ts'

/**
 * Moves what was read and is durable out of the way: to `archive/YYYY/MM`, or to `error/` with a `.reason` beside it
 * where a file could not be read at all. Doing it again, also after a crash in the middle, finds what is left to do.
 */
export async function settleFiles(
  transport: Transport,
  feed: Feed,
  state: State,
  ledger: Ledger,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const wanted = isWanted(feed)
  const marker = feed.finished.by === 'marker' ? feed.finished.suffix : ''
  const isListed = (name: string) =>
    wanted(name) || (marker !== '' && name.endsWith(marker) && wanted(name.slice(0, -marker.length)))
  const entries = await transport.list(isListed, signal)
  const markers = new Map(entries.map((entry) => [entry.name, entry]))
  for (const entry of entries) {
    const known = wanted(entry.name) ? ledger.file(entry.name) : null
    if (known === null || !isSameFile(entry, known) || known.sequence >= state.delivered) continue
    signal.throwIfAborted()
    const folder = known.fault === null ? archiveOf(context.runtime.wall()) : 'error'
    if (known.fault !== null) await transport.write(`error/${entry.name}.reason`, `${known.fault}\n`, signal)
    const its = marker === '' ? undefined : markers.get(`${entry.name}${marker}`)
    // The marker first: a file without one is not read, a marker without a file would vouch for the next one.
    if (its !== undefined) await moveAside(transport, its, folder, known, context, signal)
    await moveAside(transport, entry, folder, known, context, signal)
  }
}

async function moveAside(
  transport: Transport,
  entry: FileEntry,
  folder: string,
  known: FileMark,
  context: Context,
  signal: AbortSignal,
): Promise<void> {
  const version = `${entry.name}.${known.sha256.slice(0, 12)}`
  // A name that is used again day after day, and one whose very bytes came again.
  for (const name of [entry.name, version, `${version}.${known.sequence}`]) {
    const outcome = await transport.move(entry, `${folder}/${name}`, signal)
    if (outcome !== 'taken') return
  }
  context.logger.warn('A file that was read stays where it is: every name for it is taken.', {
    file: entry.name,
    folder,
  })
}

/** By the universal day, so that two machines put a file into the same place. */
function archiveOf(wall: number): string {
  const [year = '', month = ''] = new Date(wall).toISOString().split('-')
  return `archive/${year}/${month}`
}
