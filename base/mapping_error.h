// What becomes of a program when a page of a mapped file cannot be read.
//
// An access to a page for which the disk reports an error, or behind the end of a file that someone
// has cut off, raises SIGBUS: no call fails that could return a status. The program would end
// without a message. Here it names the file and exits with 1, as for any file that cannot be read.
// What a killed process leaves is left then too.
//
// MappedFile (file_io.h) records its files, as many as are mapped at once: each thread that reads
// images has one. Other memory still ends the program by the signal, and so does a file for whose
// record there was no memory.
//
// Example:
//   InstallMappingErrorHandler();
//   RecordMapping(address, size, path);
//   ForgetMapping(address);   // before munmap

#ifndef RCNN_BASE_MAPPING_ERROR_H_
#define RCNN_BASE_MAPPING_ERROR_H_

#include <cstddef>
#include <string>

namespace rcnn {

// Takes over SIGBUS. Calling it again changes nothing.
void InstallMappingErrorHandler();

// Records that the `size` bytes at `address`, which is not null, are mapped from the file at
// `path`. Thread-safe, without waiting. Takes time in proportion to the mappings recorded.
void RecordMapping(const void* address, size_t size, const std::string& path);

// Forgets the mapping at `address`, if it was recorded. Thread-safe.
void ForgetMapping(const void* address);

}  // namespace rcnn

#endif  // RCNN_BASE_MAPPING_ERROR_H_
