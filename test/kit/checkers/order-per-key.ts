import {
  contentOf,
  groupBy,
  moment,
  type Published,
  place,
  type RowVersion,
  type Truth,
  type Violation,
} from './facts.ts'

/** Per key, the events that say what a row is follow each other as its versions did: none after a newer one. */
export function orderPerKey(events: readonly Published[], truth: Truth): readonly Violation[] {
  return unmatched(events, truth)
    .filter(({ event }) => !event.type.endsWith('.deleted.v1'))
    .map((published) => ({
      checker: 'order-per-key',
      sentence: `${place(published)}, ${moment(published.time)}, says ${contentOf(published.event.data)}, which its row was not after what was published before.`,
    }))
}

/** A deletion is published only of a row that was gone at some time after what was published before. */
export function deletesTrue(events: readonly Published[], truth: Truth): readonly Violation[] {
  return unmatched(events, truth)
    .filter(({ event }) => event.type.endsWith('.deleted.v1'))
    .map((published) => ({
      checker: 'deletes-true',
      sentence: `${place(published)}, ${moment(published.time)}, says that the row was deleted, and it was there all the time.`,
    }))
}

/**
 * The events that find no version of their own in the history of their key, when each is given the earliest version
 * after that of the event before. Taking the earliest leaves most to those that follow, so what finds none has none.
 */
function unmatched(events: readonly Published[], truth: Truth): readonly Published[] {
  const lost: Published[] = []
  for (const [recordKey, run] of groupBy(events, (published) => published.recordKey)) {
    const versions = truth.get(recordKey) ?? []
    let next = 0
    for (const published of run) {
      const found = versions.findIndex((version, index) => index >= next && isSaidBy(published, version))
      if (found === -1) lost.push(published)
      else next = found + 1
    }
  }
  return lost
}

function isSaidBy({ event, time }: Published, version: RowVersion): boolean {
  if (version.at > time) return false
  if (event.type.endsWith('.deleted.v1')) return version.kind === 'gone'
  return version.kind === 'value' && version.content === contentOf(event.data)
}
