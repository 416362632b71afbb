import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { CannotOpen, type Opened, type Way } from '../services.ts'
import { guard } from './guard.ts'
import { run } from './run.ts'

const COMPOSE_FILE = fileURLToPath(new URL('../../docker/compose.test.yaml', import.meta.url))

/** A daemon that does not answer by then is not there. */
const ANSWER_MS = 20_000

/** Pulling the image included. */
const UP_MS = 300_000

/** A service of docker/compose.test.yaml, in a compose project of its own, removed with its volumes afterwards. */
export function dockerWay(service: string, port: number, urlOf: (address: string) => string): Way {
  return {
    name: 'docker compose',
    async open(): Promise<Opened> {
      const daemon = await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: ANSWER_MS })
      if (!daemon.ok) throw new CannotOpen(daemon.reason)
      const compose = [
        'compose',
        '--file',
        COMPOSE_FILE,
        '--project-name',
        `erpgw-test-${randomBytes(4).toString('hex')}`,
      ]
      const down = ['docker', ...compose, 'down', '--volumes', '--timeout', '5']
      // Attached, so that the guardian has a program to watch; the volumes go when it has ended.
      const guarded = guard({
        command: 'docker',
        args: [...compose, 'up', '--no-color', service],
        account: null,
        signal: 'SIGINT',
        graceMs: 20_000,
        afterwards: [down],
        remove: [],
      })
      const address = await published(compose, service, port, guarded.ended)
      if (!address.ok) {
        await guarded.stop()
        throw new CannotOpen(address.reason)
      }
      return { url: urlOf(address.output.trim()), stop: guarded.stop }
    },
  }
}

/** The loopback address on which compose published the port, once the container is healthy. */
async function published(
  compose: readonly string[],
  service: string,
  port: number,
  ended: Promise<string>,
): ReturnType<typeof run> {
  const up = await Promise.race([
    run('docker', [...compose, 'up', '--detach', '--wait', service], { timeoutMs: UP_MS }),
    ended.then((output) => ({ ok: false, reason: `docker compose ended: ${output}`, output }) as const),
  ])
  if (!up.ok) return up
  return run('docker', [...compose, 'port', service, String(port)], { timeoutMs: ANSWER_MS })
}
