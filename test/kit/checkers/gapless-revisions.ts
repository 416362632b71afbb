import { groupBy, type Published, place, type Violation } from './facts.ts'

/** Per record key and lineage, revisions rise by exactly one from 1. */
export function gaplessRevisions(events: readonly Published[]): readonly Violation[] {
  const violations: Violation[] = []
  for (const run of groupBy(events, ({ recordKey, event }) => `${recordKey} ${event.lineage}`).values()) {
    run.forEach((published, index) => {
      if (published.event.revision === index + 1) return
      const sentence = `${place(published)} is event number ${index + 1} of its key and lineage.`
      violations.push({ checker: 'gapless-revisions', sentence })
    })
  }
  return violations
}
