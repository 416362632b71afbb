import type { SourceRequest } from '../../gateway/lane/source.ts'
import type { SimulatedRuntime } from '../kit/simulated-runtime.ts'
import type { Lives } from './lives.ts'
import type { Plan } from './plan.ts'

const DECISION = { by: 'operator', reason: 'The simulation asked for it.' }
/** How often a paused feed is looked after once the run settles. */
const LOOK_MS = 30_000

/**
 * Somebody at the command line, who means well: pauses and resumes feeds, asks for rejects to be tried again, for a
 * remap, for everything to be read again. Whether a verb is carried out or the gateway dies over it, promises hold.
 */
export function startOperator(
  simulated: SimulatedRuntime,
  plan: Plan,
  lives: Lives,
): Readonly<{ stop(): void }> {
  const random = simulated.random.fork('operator')
  let isOver = false
  const ask = (request: SourceRequest) => {
    simulated.trace(`operator: ${request.verb}`)
    const asked = lives.current()?.gateway.request(request)
    // A refusal, or the end of the gateway, is an answer as well.
    asked?.then(
      () => simulated.trace(`operator: ${request.verb} done`),
      (error: unknown) => simulated.trace(`operator: ${request.verb} refused: ${error}`),
    )
  }
  const requests: readonly ((feed: string) => SourceRequest)[] = [
    (feed) => ({ verb: 'pause', feed, decision: DECISION }),
    (feed) => ({ verb: 'resume', feed, decision: DECISION }),
    (feed) => ({ verb: 'wake', feed, decision: DECISION }),
    (feed) => ({ verb: 'retry-rejects', feed }),
    (feed) => ({ verb: 'remap', feed, mode: 'publish', decision: DECISION }),
    (feed) => ({ verb: 'resync', feed, newLineage: false, decision: DECISION }),
  ]
  const work = () => {
    if (isOver) return
    ask(random.pick(requests)(random.pick(plan.feeds).name))
    simulated.after(-Math.log(1 - random.float()) * plan.operatorEveryMs, work)
  }
  const lookAfter = () => {
    for (const { feed, state } of lives.current()?.gateway.statuses() ?? []) {
      if (state === 'paused') ask({ verb: 'resume', feed, decision: DECISION })
    }
    simulated.after(LOOK_MS, lookAfter)
  }
  if (plan.operatorEveryMs > 0) simulated.after(random.below(plan.operatorEveryMs), work)
  return {
    stop() {
      isOver = true
      lookAfter()
    },
  }
}
