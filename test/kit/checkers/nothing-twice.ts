import { groupBy, moment, type Published, place, type Violation } from './facts.ts'

/** An event differs from the one before it under its key: the same content is not published again. */
export function nothingTwice(events: readonly Published[]): readonly Violation[] {
  const violations: Violation[] = []
  for (const run of groupBy(events, ({ recordKey, event }) => `${recordKey} ${event.lineage}`).values()) {
    run.forEach((published, index) => {
      const before = run[index - 1]
      if (before === undefined || !saysTheSame(before, published)) return
      const sentence = `${place(published)}, ${moment(published.time)}, repeats the content of revision ${before.event.revision}.`
      violations.push({ checker: 'nothing-twice', sentence })
    })
  }
  return violations
}

function saysTheSame(before: Published, after: Published): boolean {
  const wasDeleted = isDeletion(before)
  if (wasDeleted || isDeletion(after)) return wasDeleted && isDeletion(after)
  return before.event.contenthash === after.event.contenthash && after.event.origin !== 'replay'
}

function isDeletion({ event }: Published): boolean {
  return event.type.endsWith('.deleted.v1')
}
