import { LogError } from '../log/errors.ts'
import { isAbort } from '../runtime.ts'
import { type Configured, settingProblem } from './configuration.ts'
import { CommandFailure } from './failure.ts'
import type { OpenGateway, World } from './world.ts'

/**
 * Opens a gateway in this process. A log that another erpgw holds for the moment of one verb is waited for; one that a
 * running gateway holds is not. Throws LogError LOG_HELD then, and CommandFailure where there can be no data folder or the
 * process is to end meanwhile.
 */
export async function openGateway(
  world: World,
  configured: Pick<Configured, 'config' | 'language' | 'place'>,
): Promise<OpenGateway> {
  const { runtime } = world
  const { config, language } = configured
  const problem = world.makeDataFolder(config.data)
  if (problem !== null) throw new CommandFailure(settingProblem(configured, ['data'], problem))
  const until = runtime.mono() + BigInt(HELD_MS_MAX) * 1_000_000n
  let isTold = false
  while (true) {
    try {
      return await world.open(config, language)
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== 'LOG_HELD') throw error
      if (runtime.mono() >= until || (await isServed(world, config))) throw error
    }
    if (!isTold) world.err(WAITING)
    isTold = true
    await sleepOrFail(world, LOOK_EVERY_MS)
  }
}

/** A verb that was carried out alone ends within this time. */
const HELD_MS_MAX = 10_000
const LOOK_EVERY_MS = 250
const WAITING = `Another erpgw process holds the log; waiting up to ${HELD_MS_MAX / 1_000} s for it to let go.\n`

/** A gateway that is well answers sooner; one that only takes the call is there as well. */
const ANSWER_MS = 3_000

/** Whether a gateway answers for this config. A verb that is carried out alone does not. */
async function isServed(world: World, config: Configured['config']): Promise<boolean> {
  const asked = world.ask(config, { verb: 'status' }).then(
    (answer) => answer !== null,
    // It ends just now, and lets go of the log.
    () => false,
  )
  const done = new AbortController()
  const signal = AbortSignal.any([world.signal, done.signal])
  const late = world.runtime.sleep(ANSWER_MS, signal).then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([asked, late])
  } finally {
    done.abort()
  }
}

async function sleepOrFail(world: World, ms: number): Promise<void> {
  try {
    await world.runtime.sleep(ms, world.signal)
  } catch (error) {
    if (!isAbort(error, world.signal)) throw error
    throw new CommandFailure('Stopped while another erpgw process held the log; nothing was done.')
  }
}
