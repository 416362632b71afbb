import { createServer, request } from 'node:http'
import { type Answer, isServiceName, type ServiceName, type Services } from '../services.ts'

export interface Broker {
  /** Where `askBroker` reaches it. */
  readonly url: string
  close(): Promise<void>
}

/** Lets the processes of a test run share one set of services, over loopback. */
export async function openBroker(services: Services): Promise<Broker> {
  const server = createServer((call, reply) => {
    const name = call.url?.slice(1) ?? ''
    if (!isServiceName(name)) {
      reply.writeHead(404).end(`there is no service ${name}`)
      return
    }
    void services.ask(name).then((answer) => reply.end(JSON.stringify(answer)))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the broker has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Asks the broker at `url`. It waits as long as the service takes to install and start. */
export function askBroker(url: string, name: ServiceName): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(`${url}/${name}`, (reply) => {
      let body = ''
      reply.setEncoding('utf8')
      reply.on('data', (chunk: string) => {
        body += chunk
      })
      reply.once('error', reject)
      reply.once('end', () =>
        reply.statusCode === 200 ? resolve(JSON.parse(body)) : reject(new Error(body)),
      )
    })
    call.once('error', reject)
    call.end()
  })
}
