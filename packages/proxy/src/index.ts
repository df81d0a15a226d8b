/** The mining proxy: an upstream server as the source of work of a server of miners. */
