/** Raised when a message's or a record's meaning changes; a party that reads another version refuses it. */
export const PROTOCOL_VERSION = 4;
