import type { LogRecord } from '../../gateway/log/port.ts'
import { contentOf, groupBy, type Published, publishedOf, type Violation } from '../kit/checkers/facts.ts'
import { gaplessRevisions } from '../kit/checkers/gapless-revisions.ts'
import { deletesTrue, orderPerKey } from '../kit/checkers/order-per-key.ts'
import { uniqueIds } from '../kit/checkers/unique-ids.ts'
import type { Truth } from './workload.ts'

/** Events of the workload, with the mark as the content: what else an event says does not matter here. */
export function marksOf(records: readonly LogRecord[]): readonly Published[] {
  return publishedOf(records).map((published) => {
    const item = published.event.data['item'] as { name?: string } | undefined
    return { ...published, event: { ...published.event, data: { mark: item?.name ?? null } } }
  })
}

/** Per key gapless revisions that end at the row's value, each id once, nothing that the row never was. */
export function judge(events: readonly Published[], truth: Truth): Violation[] {
  const violations = [
    ...gaplessRevisions(events),
    ...uniqueIds(events),
    ...orderPerKey(events, truth),
    ...deletesTrue(events, truth),
  ]
  const runs = groupBy(events, (published) => published.recordKey)
  for (const [key, versions] of truth) {
    const said = saidBy(runs.get(key)?.at(-1))
    const is = versions.at(-1)
    const value = is?.kind === 'value' ? is.content : 'nothing'
    if (said !== value) {
      violations.push({ checker: 'ends-at-value', sentence: `${key} is ${value}, the log ends at ${said}.` })
    }
  }
  return violations
}

function saidBy(published: Published | undefined): string {
  if (published === undefined || published.event.type.endsWith('.deleted.v1')) return 'nothing'
  return contentOf(published.event.data)
}
