import type { TestProject } from 'vitest/node'
import { openBroker } from '../../scripts/services/broker.ts'
import { createServices } from '../../scripts/services.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where `test/kit/services.ts` asks for services. */
    servicesBroker: string
  }
}

/** Vitest's global set-up of the project `real`: one set of services for all its files, stopped at the end. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const services = createServices({
    environment: process.env,
    report: (line) => console.error(`services: ${line}`),
  })
  const broker = await openBroker(services)
  project.provide('servicesBroker', broker.url)
  return async () => {
    await broker.close()
    await services.stop()
  }
}
