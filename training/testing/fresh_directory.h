// An empty directory of the running test's own.

#ifndef RCNN_TRAINING_TESTING_FRESH_DIRECTORY_H_
#define RCNN_TRAINING_TESTING_FRESH_DIRECTORY_H_

#include <string>

namespace rcnn::training {

// Creates it, and deletes what an earlier run has left there.
std::string FreshDirectory();

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_FRESH_DIRECTORY_H_
