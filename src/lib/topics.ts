/** What the bus rings about. The key says about whom: an id, or `*`. */
export type Topic =
  /** There may be a job to claim. Key: `*`. */
  | 'jobs.queued'
  /** A job changed. Key: the job's id. */
  | 'job.changed'
  /** A job of this user changed. Key: the user's id. */
  | 'jobs.of_user'
  /** There are more rows of this job to read. Key: the job's id. */
  | 'job.rows'
  /** Somebody wants this job to end. Key: the job's id. */
  | 'job.cancel'
  /** Somebody has ended reading this catalogue, or has failed to. Key: the database's id. */
  | 'catalog.read'
  /** There are more changes of this catalogue to read. Key: the database's id. */
  | 'catalog.changed'
  /** DDL of another database is tracked, or of one no longer. Key: `*`. */
  | 'tracking.changed'
  /** There was DDL in a tracked database; rung in the process that listens to it. Key: the database's id. */
  | 'tracking.told'
  /** Changes of another database are kept, or of one no longer. Key: `*`. */
  | 'feeds.changed'
  /** Another process wants to be told of other changes of a database, or of none. Key: the database's id. */
  | 'changes.wanted'
  /** There are more changes of a database to read, or an answer to who wants them. Key: the database's id. */
  | 'changes.told'
  /** Something was said on a channel. Key: the project's id and what stands for the channel's name. */
  | 'channel.sent'
  /** A task of this project changed, or who may see them. Key: the project's id. */
  | 'tasks.of_project'
  /** A schedule may be due at another time. Key: `*`. */
  | 'schedules.changed'
  /** There may be a mail to send. Key: `*`. */
  | 'mail.queued'
  /** A session ended or its user changed. Key: the session's id. */
  | 'session.revoked';
