import { describeWithService } from '../../kit/services.ts'
import { testEngine } from './engine-checks.ts'
import { mysqlEngine } from './mysql-engine.ts'

describeWithService('mariadb', 'the database adapter on a real MariaDB', (mariadb) =>
  testEngine(mysqlEngine(mariadb)),
)
