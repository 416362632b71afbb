import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the ports that systems give to clients (from 32,768 on Linux): a server that is killed and started again
 * would find its port taken, even by a client that calls that very port and so reaches itself.
 */
const PORTS = { from: 15_000, below: 32_000 }

const TRIES_MAX = 100

/** A loopback port that nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = randomInt(PORTS.from, PORTS.below)
    if (await canListen(port)) return port
  }
  throw new Error(`no free port between ${PORTS.from} and ${PORTS.below} in ${TRIES_MAX} tries`)
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
