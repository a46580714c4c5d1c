// Every bound of the SDK. Times are in milliseconds, sizes in bytes of UTF-8.

/** Events that wait in storage, of one origin and write key, all tabs together. */
export const EVENTS_MAX = 200;
export const QUEUE_BYTES_MAX = 256 * 1024;
export const AGE_MS_MAX = 7 * 24 * 3_600_000;
/** One event. */
export const EVENT_BYTES_MAX = 32 * 1024;
/** Events of one request, with what stands around them. */
export const CHUNK_BYTES_MAX = 48 * 1024;
/** All requests that a page has under way when it ends; browsers refuse beyond 64 KiB. */
export const LEAVING_BYTES_MAX = 60 * 1024;
/** Personalizations of one request. */
export const NAMES_MAX = 64;

/** Events that wait in memory for consent. */
export const HELD_MAX = 50;
export const HELD_MS_MAX = 600_000;

/** The first pause after a failure, which doubles with each further one, and the longest. */
export const RETRY_MS = 1_000;
export const RETRY_MS_MAX = 300_000;
/** `Retry-After` is obeyed up to this. */
export const RETRY_AFTER_MS_MAX = 3_600_000;
/** Retries that a tab may make at once; one more is granted every `RETRY_GRANT_MS`. */
export const RETRIES_MAX = 10;
export const RETRY_GRANT_MS = 30_000;
/** A request without an answer. */
export const ANSWER_MS_MAX = 10_000;

/** Between two questions to the page for an identity token, after it had none; and the wait for its answer. */
export const IDENTITY_MS = 10_000;

/** Times that the page may undo what a slot shows. */
export const REVERTS_MAX = 3;
/** Characters of one attribute in a slot. */
export const VALUE_CHARS_MAX = 8_192;

/** Events that a device adds to what the edge gave. */
export const DEVICE_EVENTS_MAX = 200;
/** The longest that a device answers from what the edge gave, and the age at which it asks again. */
export const DEVICE_MS_MAX = 24 * 3_600_000;
export const DEVICE_CONFIRM_MS = 600_000;
/** Between a receipt and the question for an extract that has its event. */
export const DEVICE_AFTER_MS = 10_000;
/** Between two questions to the edge for it. */
export const DEVICE_PAUSE_MS = 5_000;
