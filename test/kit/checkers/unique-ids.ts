import { type Published, place, type Violation } from './facts.ts'

/** No two events of the log carry the same id. */
export function uniqueIds(events: readonly Published[]): readonly Violation[] {
  const first = new Map<string, Published>()
  const violations: Violation[] = []
  for (const published of events) {
    const earlier = first.get(published.event.id)
    if (earlier === undefined) first.set(published.event.id, published)
    else {
      const sentence = `The id ${published.event.id} stands twice: ${place(earlier)} and ${place(published)}.`
      violations.push({ checker: 'unique-ids', sentence })
    }
  }
  return violations
}
