// How a layer that packs its weights says which of their memory it has read.
//
// Weights may lie in a mapped file, whose pages take memory from the first access on. They are
// given back part by part, so that original and packed weights hardly take memory at the same time.

#ifndef RCNN_DETECTION_CONVOLUTION_RELEASE_MEMORY_H_
#define RCNN_DETECTION_CONVOLUTION_RELEASE_MEMORY_H_

#include <cstddef>
#include <functional>

namespace rcnn::detection {

// Called with the address and the bytes of memory that has been read and is not needed soon. Null:
// nobody wants to know. Thread-safe.
using ReleaseMemory = std::function<void(const void* data, size_t bytes)>;

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_RELEASE_MEMORY_H_
