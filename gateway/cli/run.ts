import type { OnceResult } from '../gateway.ts'
import { isAbort } from '../runtime.ts'
import { sanitise } from '../sanitise.ts'
import { readConfiguration } from './configuration.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { LANE_HEADINGS, laneRows } from './lane-rows.ts'
import { openGateway } from './opening.ts'
import { followProgress } from './progress.ts'
import { textTable } from './text-table.ts'
import type { World } from './world.ts'

/** `erpgw run`: the gateway, until the process is asked to end; with `once`, until everything that is there is told. */
export async function run(world: World, configPath: string, once: boolean): Promise<number> {
  const configured = readConfiguration(world, configPath)
  const { config } = configured
  const opened = await openGateway(world, configured)
  const { gateway, logger } = opened
  const done = new AbortController()
  const told = () => logger.info('Stopping: the batch under way is finished first.')
  world.signal.addEventListener('abort', told, { once: true })
  const progress = world.isTerminal ? followProgress(world, gateway, done.signal) : Promise.resolve()
  try {
    await opened.serve()
    if (!once) {
      logger.info('The gateway runs.', { gateway: config.gateway, sources: Object.keys(config.sources) })
      await gateway.run(world.signal)
      return EXIT.ok
    }
    return report(world, await gateway.once(world.signal))
  } catch (error) {
    if (!isAbort(error, world.signal)) throw error
    if (once) throw new CommandFailure(INTERRUPTED)
    return EXIT.ok
  } finally {
    world.signal.removeEventListener('abort', told)
    done.abort()
    await progress
    await opened.close()
    logger.info('The gateway has ended.')
  }
}

const INTERRUPTED =
  'Stopped before everything was published. What was published stays; the next run goes on behind it.'

function report(world: World, { lanes, trouble }: OnceResult): number {
  if (world.signal.aborted) throw new CommandFailure(INTERRUPTED)
  world.out(textTable(LANE_HEADINGS, laneRows(lanes)))
  const bad = lanes.filter((lane) => lane.state !== 'waiting')
  if (bad.length === 0 && trouble === null) return EXIT.ok
  const reasons = [
    ...bad.map(
      (lane) =>
        `${lane.source} ${lane.feed}: ${lane.hold?.message ?? lane.stopped?.reason ?? lane.retry?.reason ?? lane.state}`,
    ),
    ...(trouble === null ? [] : [trouble]),
  ]
  throw new CommandFailure(
    `Not everything went through:\n${reasons.map((reason) => `  ${sanitise(reason)}`).join('\n')}`,
  )
}
