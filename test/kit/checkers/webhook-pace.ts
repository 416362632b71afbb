import { groupBy, moment, type Violation } from './facts.ts'

/** A message as it arrived at a webhook, whatever became of it. */
export type WebhookCall = Readonly<{ webhook: string; at: number }>

const CALLS_MAX = 20
const WINDOW_MS = 60_000

/** No webhook is called more than twenty times in any minute; DingTalk shuts one that is for ten. */
export function webhookPace(calls: readonly WebhookCall[]): readonly Violation[] {
  return [...groupBy(calls, ({ webhook }) => webhook).values()].flatMap((run) =>
    run.flatMap(({ webhook, at }, index) => {
      const first = run[index - CALLS_MAX]
      if (first === undefined || at - first.at >= WINDOW_MS) return []
      const sentence = `${webhook} was called ${CALLS_MAX + 1} times between ${moment(first.at)} and ${moment(at)}.`
      return [{ checker: 'webhook-pace', sentence }]
    }),
  )
}
