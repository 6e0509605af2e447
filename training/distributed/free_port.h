// A TCP port of the loopback interface on which nobody listens, for ranks of one machine to meet.
//
// Example:
//   setenv("MASTER_PORT", absl::StrCat(FreePort()).c_str(), 1);

#ifndef RCNN_TRAINING_DISTRIBUTED_FREE_PORT_H_
#define RCNN_TRAINING_DISTRIBUTED_FREE_PORT_H_

namespace rcnn::training {

// Another program may take the port before it is used; RankGroup::Join then says so. 0 if the
// system has none.
int FreePort();

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_FREE_PORT_H_
