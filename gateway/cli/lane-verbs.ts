import type { Json } from '../../adapters/contract.ts'
import type { ControlRequest } from '../control/protocol.ts'
import { type Configured, readConfiguration } from './configuration.ts'
import { CommandFailure, EXIT } from './failure.ts'
import type { World } from './world.ts'

/**
 * Carries out a verb that changes a lane: in the gateway that runs, or, when none does, in one that this command opens
 * for it and closes again.
 */
export async function carryOut(world: World, configPath: string, request: ControlRequest): Promise<Json> {
  const configured = readConfiguration(world, configPath)
  const answer = await world.ask(configured.config, request)
  if (answer === null) return carryOutAlone(world, configured, request)
  if (answer.ok) return answer.value
  throw new CommandFailure(answer.message)
}

async function carryOutAlone(world: World, configured: Configured, request: ControlRequest): Promise<Json> {
  if (request.verb === 'status') {
    throw new CommandFailure('No gateway runs with this config. Start one with `erpgw run`.', EXIT.notRunning)
  }
  const opened = await world.open(configured.config, configured.language)
  const stopping = new AbortController()
  const idle = opened.gateway.idle(AbortSignal.any([world.signal, stopping.signal]))
  idle.catch(() => undefined)
  try {
    const { source, ...verb } = request
    return await opened.gateway.request(source, verb)
  } finally {
    stopping.abort()
    await idle.catch(() => undefined)
    await opened.close()
  }
}
