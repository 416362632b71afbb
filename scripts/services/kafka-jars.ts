import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CannotOpen } from '../services.ts'
import { canInstall, install, programAt } from './debian.ts'
import { run } from './run.ts'

/** What tests run against. */
export const KAFKA_VERSION = '4.3.1'

const CACHE = fileURLToPath(new URL('../../.cache/kafka/', import.meta.url))

/** Some 50 jars of 44 MB, and Maven's own plugins, over a slow line. */
const DOWNLOAD_MS = 600_000

/** Kafka 4 refuses older ones. */
const JAVA_OLDEST = 17

/**
 * The folder with Kafka's jars, and a Java to run them; both are installed where that is possible. Jars come through
 * Maven, which knows the machine's mirrors, and are kept in `.cache`. Throws CannotOpen.
 */
export async function findKafka(version = KAFKA_VERSION): Promise<string> {
  const jars = join(CACHE, version)
  const hasJars = existsSync(jars)
  const missing = [
    ...((await hasJava()) ? [] : ['default-jre-headless']),
    ...(hasJars || programAt('mvn') !== null ? [] : ['maven']),
  ]
  if (missing.length > 0) await install(missing)
  if (!(await hasJava())) throw new CannotOpen(`no Java ${JAVA_OLDEST} in PATH after the installation`, true)
  if (!hasJars) await copyJars(version, jars)
  return jars
}

async function hasJava(): Promise<boolean> {
  const java = await run('java', ['--version'], { timeoutMs: 20_000 })
  const [, version] = /^\w+ (\d+)/.exec(java.output) ?? []
  return java.ok && Number(version) >= JAVA_OLDEST
}

async function copyJars(version: string, jars: string): Promise<void> {
  // Moved into place when it is whole; another run may do the same at the same time.
  const draft = `${jars}.${randomBytes(4).toString('hex')}`
  mkdirSync(draft, { recursive: true })
  const project = join(draft, 'pom.xml')
  writeFileSync(project, projectOf(version))
  const copied = await run(
    'mvn',
    [
      ...['--batch-mode', '--quiet', '--file', project, 'dependency:copy-dependencies'],
      ...['-DincludeScope=runtime', `-DoutputDirectory=${draft}`],
    ],
    { timeoutMs: DOWNLOAD_MS },
  )
  try {
    if (!copied.ok)
      throw new CannotOpen(`${copied.reason} ${complaintOf(copied.output)}`.trim(), canInstall())
    renameSync(draft, jars)
  } catch (error) {
    if (!existsSync(jars)) throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** What Maven complains of first; hints for its users follow. */
function complaintOf(output: string): string {
  return output.split('\n').find((line) => line.startsWith('[ERROR]')) ?? ''
}

/** Kafka's own logging goes through SLF4J, which is silent unless it has something to write with. */
function projectOf(version: string): string {
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>erp-gateway</groupId>
  <artifactId>test-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${version}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`
}
